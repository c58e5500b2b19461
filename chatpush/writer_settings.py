"""Settings of the language model: which one, what it may cost, how long it may take."""

from decimal import Decimal

from pydantic import Field

from chatpush.section import Section, WebAddress


class ModelPrice(Section):
    """What a model costs, for money budgets and the usage page."""

    model: str = Field(description="The model's name, as asked for.")
    input_per_million: Decimal = Field(Decimal(0), ge=0, description="For a million tokens that go in.")
    output_per_million: Decimal = Field(Decimal(0), ge=0, description="For a million tokens that come out.")


class Writer(Section):
    """The language model; without base_url or api_key the embedded assistant answers."""

    base_url: WebAddress = Field("", description="An OpenAI-compatible endpoint (or OPENAI_BASE_URL).")
    api_key: str = Field("", description="Its key (or OPENAI_API_KEY).")
    model: str = Field("gpt-5-mini", description="The model's name (or OPENAI_MODEL).")
    small_model: str = Field(
        "", description="A cheaper model that is asked first; the other one when it is unsure. Empty: none."
    )
    embedding_model: str = Field(
        "", description="The model that turns texts into vectors for retrieval; empty: words alone."
    )
    rerank_model: str = Field(
        "", description="The model that puts what was found into a better order; empty: none."
    )
    rerank_base_url: WebAddress = Field(
        "", description="Where it answers at /rerank (Cohere, Jina, vLLM); empty: base_url."
    )
    rerank_api_key: str = Field("", description="Its key; empty: api_key.")
    moderation_model: str = Field(
        "", description="The model that looks at what users write before it is answered; empty: none."
    )
    first_token_seconds: float = Field(10.0, gt=0, description="Longest wait for the first token.")
    stall_seconds: float = Field(10.0, gt=0, description="Longest silence within a stream.")
    total_seconds: float = Field(60.0, gt=0, description="Longest whole answer.")
    max_tokens: int = Field(800, ge=16, description="Longest answer in tokens.")
    max_tool_rounds: int = Field(4, ge=0, description="Tool calls in a row for one answer.")
    daily_tokens_per_user: int = Field(50_000, ge=0, description="Token budget of a user and day; 0: none.")
    daily_tokens_per_tenant: int = Field(0, ge=0, description="Token budget of a tenant and day; 0: none.")
    daily_money_per_user: Decimal = Field(
        Decimal(0), ge=0, description="Money of a user and day, by prices; 0: no limit."
    )
    daily_money_per_tenant: Decimal = Field(
        Decimal(0), ge=0, description="Money of a tenant and day, by prices; 0: no limit."
    )
    currency: str = Field("USD", description="The currency of prices and money budgets.")
    prices: list[ModelPrice] = Field(
        default_factory=list,
        description="[[writer.prices]] with model, input_per_million, output_per_million.",
    )
    answer_cache_hours: float = Field(
        12.0, ge=0, description="How long an impersonal answer is given again; 0: never."
    )

    @property
    def enabled(self) -> bool:
        """Whether a model is configured."""
        return bool(self.base_url or self.api_key)
