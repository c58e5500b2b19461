"""What can be set of support and its widget."""

from typing import Literal

from pydantic import Field

from chatpush.section import Section


class Support(Section):
    """The assistant and its people."""

    assistant_name: str = Field("Assistant", description="What the assistant calls itself.")
    assistant_names: dict[str, str] = Field(
        default_factory=dict, description="Its name by locale, where it has another there."
    )
    greeting: dict[str, str] = Field(default_factory=dict, description="First words by locale.")
    confidence: float = Field(0.55, ge=0, le=1, description="From here on an answer is given.")
    clarify_confidence: float = Field(0.25, ge=0, le=1, description="From here on the assistant asks once.")
    promise_days: int = Field(30, ge=1, description="How long a promise lives.")
    max_turn_chars: int = Field(4000, ge=100, description="Longest turn a user may say.")
    embeddings_directory: str = Field(
        "",
        description="Directory, below data_dir unless absolute, of a local BERT sentence model for English; "
        "empty: words, or writer.embedding_model.",
    )
    link_hosts: list[str] = Field(
        default_factory=list,
        description="Hosts that answers may link to, such as shop.example or *.shop.example; "
        "those of articles and tool sources are allowed anyway.",
    )

    def name_in(self, locale: str) -> str:
        """Return what the assistant calls itself in a locale; zh stands for zh-CN too."""
        language = locale.partition("-")[0]
        for known, name in self.assistant_names.items():
            if known == locale or known.partition("-")[0] == language:
                return name
        return self.assistant_name


class PrechatField(Section):
    """One field of the form before a conversation."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="What agents see it as.")
    type: Literal["text", "email", "textarea", "select"] = Field("text", description="How it is filled in.")
    labels: dict[str, str] = Field(min_length=1, description="What it is called, by locale.")
    required: bool = Field(False, description="Whether it must be filled in.")
    options: list[str] = Field(default_factory=list, max_length=50, description="Choices of a select.")


class Widget(Section):
    """How the widget looks before the page says otherwise."""

    name: str = Field(
        "", description="What heads the panel, such as the shop's name; empty: the assistant's name."
    )
    names: dict[str, str] = Field(
        default_factory=dict, description="What heads it by locale, where that is another name."
    )
    accent: str = Field("", description="The accent colour, such as #2f4a40; empty: the widget's own.")
    mode: Literal["auto", "light", "dark"] = Field(
        "auto", description="Light or dark; auto follows the system."
    )
    position: Literal["right", "left"] = Field("right", description="The corner of the launcher.")
    suggestions: dict[str, list[str]] = Field(
        default_factory=dict, description="Questions offered in an empty chat, by locale."
    )
    prechat: list[PrechatField] = Field(
        default_factory=list, max_length=10, description="Form before the first conversation."
    )
    prechat_for: Literal["visitors", "everyone"] = Field(
        "visitors", description="Who fills it in: signed-in users are known already."
    )


class Attachments(Section):
    """Files that users send in conversations."""

    enabled: bool = Field(True, description="Whether users can send files.")
    max_bytes: int = Field(5_242_880, ge=1, le=52_428_800, description="Largest file.")
    types: list[
        Literal["image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "text/plain"]
    ] = Field(
        ["image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "text/plain"],
        description="What files may be, told by what is in them.",
    )
    max_pixels: int = Field(40_000_000, ge=1, description="Most pixels of a picture.")
    per_turn: int = Field(5, ge=1, le=20, description="Most files sent at once.")
    per_conversation: int = Field(50, ge=1, description="Most files of one conversation.")
