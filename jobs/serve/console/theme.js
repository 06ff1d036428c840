/* Not a module: it runs before the first paint, so that the page does not flash in the other theme. */
(() => {
  const key = "streamrec.theme";
  const names = ["auto", "light", "dark"];
  const marks = { auto: "◐", light: "☀", dark: "☾" };
  let theme = "auto";
  try {
    theme = localStorage.getItem(key) || "auto";
  } catch { /* storage may be forbidden: the theme is not remembered then */ }
  if (!names.includes(theme)) theme = "auto";

  const apply = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (!button) return;
    button.textContent = `${marks[theme]}\u00a0${theme[0].toUpperCase()}${theme.slice(1)}`;
    button.setAttribute("aria-label", `Theme: ${theme}. Change it`);
  };
  apply();
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", () => {
      theme = names[(names.indexOf(theme) + 1) % names.length];
      try {
        localStorage.setItem(key, theme);
      } catch { /* as above */ }
      apply();
    });
  });
})();
