"""Say what kind of thing an item is, from the words of its description.

A kind decides three things: the department it is shown in, the drawing that
stands for it (no photographs came with the data) and its everyday name in
English and Chinese. The first kind with a matching word wins, so the list goes
from the particular to the general; ``GIFT`` takes what is left.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Department:
    """A shelf of the shop."""

    id: str
    name: dict[str, str]
    line: dict[str, str]


@dataclass(frozen=True)
class Kind:
    """A sort of thing, with its drawing of the same name."""

    id: str
    department: str
    name: dict[str, str]
    words: re.Pattern[str]


def _department(name: str, english: str, chinese: str, line: str, chinese_line: str) -> Department:
    return Department(name, {"en": english, "zh-CN": chinese}, {"en": line, "zh-CN": chinese_line})


DEPARTMENTS = {
    shelf.id: shelf
    for shelf in (
        _department("light", "Candles & lanterns", "烛光与灯", "For the long evenings", "给长夜一点光"),
        _department("cosy", "Warm & cosy", "暖冬好物", "Hot-water bottles and hand warmers", "热水袋与暖手宝"),
        _department("kitchen", "Kitchen & baking", "厨房烘焙", "Jam jars, cake stands, tins", "果酱罐、蛋糕架与收纳罐"),
        _department("table", "Tea & table", "茶与餐桌", "Cups, pots and plates", "杯、壶、盘、碟"),
        _department("bags", "Bags & baskets", "包袋与篮筐", "Carry more, prettily", "装得多，也好看"),
        _department("home", "Home & décor", "家居装饰", "Clocks, frames, signs", "时钟、相框与挂牌"),
        _department("paper", "Cards & paper", "卡片与纸品", "Cards, wrap, notebooks", "贺卡、包装纸、笔记本"),
        _department("wear", "Jewellery & scarves", "首饰配饰", "Small things that shine", "小小的闪光"),
        _department("play", "Toys & play", "童趣玩具", "For small hands", "给小小的手"),
        _department("garden", "Garden", "花园", "Pots, flowers, birds", "花盆、花朵与小鸟"),
        _department("christmas", "Christmas", "圣诞", "Baubles, bunting, cheer", "挂饰、拉旗与欢喜"),
    )
}


def _kind(name: str, department: str, english: str, chinese: str, words: str) -> Kind:
    pattern = re.compile(rf"(?<![A-Z])(?:{words})(?![A-Z])")
    return Kind(name, department, {"en": english, "zh-CN": chinese}, pattern)


GIFT = _kind("gift", "home", "Gift", "礼物", "")
KINDS = (
    _kind("bottle", "cosy", "Hot-water bottle", "热水袋", "HOT WATER BOTTLE|HOTTIE"),
    _kind("mitten", "cosy", "Hand warmer", "暖手宝", "HAND WARMER|GLOVES?|SLIPPERS?|EAR ?MUFFS?"),
    _kind("lantern", "light", "Lantern", "提灯", "LANTERNS?|LAMP|LAMPSHADE"),
    _kind("tealight", "light", "T-light holder", "烛台", "T-?LIGHTS?|TEALIGHTS?|VOTIVE|CANDLE ?HOLDER|CANDLEHOLDER"),
    _kind("lights", "light", "String of lights", "串灯", "LIGHTS|LIGHT|FAIRY LIGHTS|LED"),
    _kind(
        "candle", "light", "Candle", "蜡烛",
        "CANDLES?|CANDLESTICKS?|CANDELABRA|INCENSE|CHANDELIER|TAPERS?|JOSS STICKS?",
    ),
    _kind("clock", "home", "Clock", "时钟", "CLOCKS?"),
    _kind("cakestand", "kitchen", "Cake stand", "蛋糕架", "CAKE ?STANDS?|PARTITIONED|CAKE PLATE|CAKE STAND"),
    _kind("lunchbox", "bags", "Lunch box", "便当盒", "LUNCH BOX|SNACK BOX(?:ES)?|BENTO|LUNCHBOX"),
    _kind(
        "bag", "bags", "Bag", "手提袋",
        "BAGS?|HANDBAG|SHOPPERS?|TOTES?|SHOPPING|BACKPACK|SUIT ?CASE|HOLDALL|WASHBAG|CARRIER",
    ),
    _kind("purse", "wear", "Purse", "零钱包", "PURSES?|WALLETS?|POUCH|PASSPORT|LUGGAGE|CARD ?HOLDER"),
    _kind("cupcake", "kitchen", "Baking", "烘焙用具", "CAKE|CAKES|CUPCAKES?|BAKING|MUFFIN|COOKIE|BISCUIT|MOULDS?"),
    _kind("jar", "kitchen", "Jar", "储物罐", "JAM|JARS?|PRESERVE|COOKIE JAR|STORAGE|CANISTER|BOTTLES?|CLOCHE"),
    _kind("eggcup", "table", "Egg cup", "蛋杯", "EGG ?CUPS?|EGGS?"),
    _kind("teapot", "table", "Teapot", "茶壶", "TEA ?POTS?|TEA SET|TEA FOR ONE|JUG|PITCHER|COFFEE POT|KETTLE"),
    _kind("mug", "table", "Mug", "马克杯", "MUGS?|CUPS?|BEAKERS?|TEACUP|TUMBLER|COFFEE|COCKTAIL|GOBLET|TEA GLASS"),
    _kind("plate", "table", "Plate", "盘碟", "PLATES?|BOWLS?|DISH|DISHES|TRAYS?|PLATTER|SAUCER|COASTERS?|PLACEMATS?"),
    _kind(
        "whisk", "kitchen", "Kitchen", "厨房用品",
        "CUTLERY|SCALES|SPOONS?|RECIPE|MEASURING|KITCHEN|ROLLING PIN|PANTRY|PAN|SPATULA|WHISK|COOK|BREAD|BUTTER|POPCORN"
        "|CHOPPING|STRAWS?|SALT|PEPPER|SUGAR|TOAST|LOLLY|PICNIC",
    ),
    _kind("apron", "kitchen", "Linen", "布艺", "APRONS?|TEA ?TOWELS?|OVEN GLOVE|COSY|TOWELS?|NAPKINS?|TABLE ?CLOTH|RUNNER|SERVIETTES"),
    _kind("bunting", "home", "Bunting", "拉旗", "BUNTING|GARLANDS?|PAPER CHAINS?|STREAMERS?|BANNER"),
    _kind("card", "paper", "Card", "贺卡", "CARDS?|POSTCARDS?|ENVELOPES?|LETTERS?|INVITES|ADVENT"),
    _kind("wrap", "paper", "Gift wrap", "礼品包装", "WRAP|TISSUE|RIBBONS?|GIFT TAPE|TAPE|TAGS?|ROSETTE|BOWS?"),
    _kind(
        "notebook", "paper", "Stationery", "文具",
        "NOTE ?BOOKS?|STATIONERY|WRITING SET|PENS?|PENCILS?|STICKERS?|JOURNAL|CALENDAR|PAD|NOTES|CRAYONS|CHALK|STAMPS?|RULER|SHARPENER|BOOK"
        "|PAPER|MEMO|ORGANISER|SKETCHBOOK|ADDRESS|DIARY|CLIPS?|MAGNETS?|ERASERS?|RUBBERS?",
    ),
    _kind("earrings", "wear", "Earrings", "耳环", "EARRINGS?|RINGS?|BROOCH|HAIR|TIARA|DIAMANTE|COMB|SLIDE"),
    _kind(
        "necklace", "wear", "Necklace", "项链",
        "NECKLACES?|BRACELETS?|BANGLES?|PENDANT|LARIAT|NECK|BEADS?|PEARLS?|JEWELLERY|JEWELLED|CHARM|CHOKER",
    ),
    _kind("umbrella", "bags", "Umbrella", "雨伞", "UMBRELLAS?|PARASOLS?|RAIN|PONCHO|RAINCOAT"),
    _kind("scarf", "wear", "Scarf", "围巾", "SCARF|SCARVES|SHAWL|HAT|CAP|BLANKET|THROW|SARONG|WRISTWARMER"),
    _kind("cushion", "home", "Cushion", "靠垫", "CUSHIONS?|PILLOW|QUILT|BEANBAG|DOORSTOPS?|DOOR ?STOP|DRAUGHT|PATCHES"),
    _kind("frame", "home", "Frame", "相框", "FRAMES?|MIRRORS?|PICTURES?|PHOTOS?|PHOTO|CANVAS|POSTER|ART|PRINTS?"),
    _kind(
        "sign", "home", "Sign", "挂牌",
        "SIGNS?|CHALKBOARD|BLACKBOARD|DOORMATS?|TILES?|NUMBER|PLAQUE|WORD|BOARD|DOOR ?MAT|RUG|MAT",
    ),
    _kind("bird", "garden", "Bird", "小鸟", "BIRDS?|OWLS?|BUTTERFLY|BUTTERFLIES|DOVES?|ROBIN|COCKEREL|HEN|DRAGONFLY|BIRDHOUSE|CAGE"),
    _kind("bauble", "home", "Decoration", "挂饰", "BAUBLES?|CHRISTMAS|XMAS|DECORATIONS?|ORNAMENTS?|SANTA|REINDEER|SNOW"),
    _kind("doll", "play", "Doll", "娃娃", "BABUSHKA|DOLLY|DOLLS?|NESTING|FAIRY|ANGEL|SOLDIERS?|PUPPETS?"),
    _kind(
        "bunny", "play", "Animal", "小动物",
        "RABBITS?|BUNNY|BUNNIES|DOGS?|CATS?|TEDDY|BEAR|ELEPHANTS?|SHEEP|CHICKS?|HORSE|MOUSE|DINOSAURS?|DUCKS?|PIGS?|TIGER",
    ),
    _kind(
        "blocks", "play", "Toy", "玩具",
        "TOYS?|JIGSAWS?|GAMES?|PLAY|BLOCKS?|SKITTLES|DOMINOES|YO ?YO|TRAIN|ROCKET|SPACEBOY|KITE|MARBLES|BALLS?|BALLOONS?|DRAUGHTS"
        "|FELTCRAFT|KIT|SPINNING|HARMONICA|RECORDER|WHISTLE|PUZZLES?|SNAKES|NAUGHTS|MONEY|CHILDS|CHILDRENS|CHILD'S|MAGIC|MASK",
    ),
    _kind("basket", "bags", "Basket", "篮筐", "BASKETS?|WICKER|CRATE|HAMPER|TRUG|LAUNDRY|BUCKETS?|BIN"),
    _kind(
        "plant", "garden", "Garden", "花园用品",
        "FLOWERS?|GARDEN|PLANT|PLANTER|POTS?|ROSES?|TREES?|HERBS?|SEEDS?|WATERING|DAISY|LAVENDER|VASES?|WREATH|LEAF|FERN|SUNFLOWER",
    ),
    _kind(
        "hook", "home", "Hook", "挂钩",
        "HOOKS?|HANGERS?|KEYS?|KEY ?RING|KNOBS?|DRAWERS?|CABINETS?|PEGS?|RACK|SHELF|BELL|STAND|CHEST|CUPBOARD|STOOL|CHAIR|TABLE|WINE",
    ),
    _kind("tin", "kitchen", "Tin", "铁盒", "TINS?|BOX|BOXES|CADDY|TRINKET|CASE|CHESTS?|POT"),
    _kind("heart", "home", "Heart", "心形挂饰", "HEARTS?|LOVE|SWEETHEART|CUPID"),
    _kind("soap", "home", "Bath", "沐浴用品", "SOAPS?|BATH|BATHROOM|SPONGE|BALM|LIP|COSMETIC|MANICURE|TISSUES|SOAP DISH|SCENTED"),
)
BY_ID = {kind.id: kind for kind in (*KINDS, GIFT)}
_FESTIVE = re.compile(r"CHRISTMAS|XMAS|SANTA|ADVENT|REINDEER|BAUBLE|NOEL|SNOWFLAKE|SNOWMAN")


# Where the first matching word would mislead.
_PARTICULAR = (
    (re.compile(r"HEART OF WICKER|HEART DECORATION|WICKER HEART|HEART .*TRELLIS|FILIGREE HEART"), "heart"),
    (re.compile(r"CAKE TINS?|SPICE TINS|HERB TINS|KEEPSAKE|SEWING BOX|TRINKET BOX|JEWELLERY BOX|IN TIN "), "tin"),
    (re.compile(r"POCKET WARMER"), "mitten"),
    (re.compile(r"METAL SIGN|CHALKBOARD|DOORMAT"), "sign"),
    (re.compile(r"DRAWER KNOB|COAT (?:RACK|HANGER)|CLOTHES PEGS|DOLLY PEGS"), "hook"),
    (re.compile(r"MIRROR"), "frame"),
    (re.compile(r"HEART FILIGREE DOVE"), "bird"),
    (re.compile(r"FELTCRAFT (?:PRINCESS|DOLL)|BABUSHKA NESTING"), "doll"),
    (re.compile(r"FELTCRAFT CUSHION"), "cushion"),
    (re.compile(r"CARD HOLDER"), "purse"),
)


def kind_of(description: str) -> Kind:
    """Return the kind of a described item."""
    upper = description.upper()
    for words, name in _PARTICULAR:
        if words.search(upper):
            return BY_ID[name]
    return next((kind for kind in KINDS if kind.words.search(upper)), GIFT)


def department_of(description: str, kind: Kind) -> Department:
    """Return where it is shown: Christmas things stand together, whatever they are."""
    festive = _FESTIVE.search(description.upper())
    return DEPARTMENTS["christmas" if festive else kind.department]
