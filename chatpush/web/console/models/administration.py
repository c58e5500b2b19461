"""What recommendations, plugins and settings show."""

from dataclasses import dataclass
from datetime import datetime

from chatpush.web.console.models.desk import EventLine


@dataclass(frozen=True, slots=True)
class PickLine:
    """A recommended item."""

    id: str
    title: str
    image: str
    price: str
    stock: int | None
    score: float
    share: float
    reason: str
    reason_code: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Recommendations:
    """Picks for one user (or for nobody in particular)."""

    asked: str
    known: bool
    name: str
    picks: tuple[PickLine, ...]
    events: tuple[EventLine, ...]
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HookLine:
    """One hook of a plugin: its terms and its score; ``cut_off_seconds`` is 0 while it is called."""

    name: str
    budget_milliseconds: float
    fail_closed: bool = False
    calls: int = 0
    failures: int = 0
    drops: int = 0
    average_milliseconds: float = 0.0
    cuts: int = 0
    cut_off_seconds: float = 0.0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class PluginLine:
    """A plugin, where it stands, and how its hooks are doing; ``registers`` are hooks asked once, at the start."""

    name: str
    description: str
    position: int
    registers: tuple[str, ...]
    hooks: tuple[HookLine, ...]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """``cut_off`` if any hook is, ``failing`` if one has failed, else ``healthy``."""
        if any(hook.cut_off_seconds for hook in self.hooks):
            return "cut_off"
        return "failing" if any(hook.last_error for hook in self.hooks) else "healthy"


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting: its default, its value if it differs, its help."""

    name: str
    default: str
    value: str
    changed: bool
    help: str


@dataclass(frozen=True, slots=True)
class KeyLine:
    """An API key; the key itself is never shown again."""

    id: str
    name: str
    kind: str
    hint: str
    scopes: tuple[str, ...]
    created_at: datetime
    used_at: datetime | None
    revoked: bool


@dataclass(frozen=True, slots=True)
class PersonLine:
    """A console person."""

    id: str
    name: str
    email: str
    role: str
    created_at: datetime
    me: bool = False


@dataclass(frozen=True, slots=True)
class TemplateLine:
    """A message template."""

    name: str
    version: int
    category: str
    locales: tuple[str, ...]
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TemplateDetail:
    """One template with its texts by locale.

    ``relabelled``: its words are taken for marketing; ``reviewed_by`` is who lets its label stand.
    """

    line: TemplateLine
    texts: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    sample: str = "{}"
    relabelled: bool = False
    reviewed_by: str = ""


@dataclass(frozen=True, slots=True)
class PreviewText:
    """A rendered template, or the problem with it; ``sent`` says to whom it went as a test."""

    title: str = ""
    body: str = ""
    problem: str = ""
    sent: str = ""


@dataclass(frozen=True, slots=True)
class ArticleLine:
    """A knowledge article."""

    id: str
    title: str
    locale: str
    url: str
    chunks: int
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage that answers a tried question."""

    title: str
    text: str
    confidence: float
    url: str = ""


@dataclass(frozen=True, slots=True)
class TriedQuestion:
    """What the assistant would do with a question: its decision and the passages found."""

    question: str
    decision: str
    confidence: float
    passages: tuple[FoundPassage, ...]
