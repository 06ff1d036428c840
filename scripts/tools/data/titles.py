"""Names and categories for generated items: the same for the same number."""

from collections.abc import Iterator

from state.topics.catalog import Description

_KINDS = {
    "Kitchen": ("Kettle", "Teapot", "Pan", "Mug", "Bowl", "Grater", "Ladle", "Scale"),
    "Living": ("Lamp", "Cushion", "Rug", "Vase", "Clock", "Shelf", "Candle", "Frame"),
    "Outdoor": ("Tent", "Lantern", "Flask", "Backpack", "Hammock", "Compass", "Stove", "Poncho"),
    "Music": ("Ukulele", "Metronome", "Tambourine", "Kalimba", "Harmonica", "Cajon", "Flute"),
    "Office": ("Notebook", "Pencil", "Stapler", "Ruler", "Planner", "Desk Mat", "Binder"),
    "Toys": ("Kite", "Puzzle", "Yo-yo", "Train", "Marble Run", "Puppet", "Spinning Top"),
}
_COLOURS = (
    "Amber", "Azure", "Coral", "Ivory", "Jade", "Lilac", "Moss", "Navy", "Ochre", "Plum", "Rose",
    "Sand", "Slate", "Teal",
)  # fmt: skip
_MAKES = ("Classic", "Folding", "Little", "Nordic", "Quiet", "Sturdy", "Travel", "Vintage", "Woven")


def described(items: int) -> Iterator[tuple[str, Description]]:
    """Yield ids of generated items and what they are called.

    >>> next(described(1))[1].title
    'Classic Amber Kettle'
    """
    categories = list(_KINDS)
    for number in range(items):
        category = categories[number % len(categories)]
        kinds = _KINDS[category]
        turn = number // len(categories)
        title = " ".join((
            _MAKES[turn // len(kinds) % len(_MAKES)],
            _COLOURS[turn // (len(kinds) * len(_MAKES)) % len(_COLOURS)],
            kinds[turn % len(kinds)],
        ))  # fmt: skip
        again = turn // (len(kinds) * len(_MAKES) * len(_COLOURS))
        title = f"{title} {again + 1}" if again else title
        yield f"item-{number}", Description(title=title, categories=(category,))
