# Read by the shell scripts: where to write where HOME is missing or read-only, as in many containers.
# Sets XDG_CACHE_HOME (and XDG_DATA_HOME) for this script and all it starts, Python's tools included.
writable() { [ -n "$1" ] && mkdir -p "$1/streamrec" 2>/dev/null && [ -w "$1/streamrec" ]; }

cache_of_home=
[ -z "${HOME:-}" ] || [ ! -d "$HOME" ] || cache_of_home=$HOME/.cache
if ! writable "${XDG_CACHE_HOME:-$cache_of_home}"; then
  private=/tmp/streamrec-$(id -u)
  mkdir -p -m 700 "$private" 2>/dev/null || true
  if [ ! -O "$private" ] || [ -L "$private" ]; then
    echo "setup: $private: expected a folder of this user, got another one; set XDG_CACHE_HOME to a folder of your own" >&2
    exit 1
  fi
  # jars that were fetched before are read from where they are
  jars_of_home=${XDG_CACHE_HOME:-$cache_of_home}/streamrec/jars
  export XDG_CACHE_HOME=$private/cache
  export XDG_DATA_HOME=${XDG_DATA_HOME:-$private/data}
  mkdir -p "$XDG_CACHE_HOME/streamrec"
  if [ -e "$jars_of_home/.verified" ] && [ ! -e "$XDG_CACHE_HOME/streamrec/jars" ]; then
    ln -s "$jars_of_home" "$XDG_CACHE_HOME/streamrec/jars"
  fi
fi
