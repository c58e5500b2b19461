"""Every setting of chatpush: one tree of names, defaults and help.

``configuration.py`` reads it from a file and from variables. Unknown names are
refused. Units stand in names.
"""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from chatpush.channel_settings import Channels
from chatpush.section import Origin, Section, WebAddress
from chatpush.support_settings import Attachments, Support, Widget
from chatpush.writer_settings import Writer


class HttpServer(Section):
    """Where the server listens."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    public_url: WebAddress = Field(
        "",
        description="Address that browsers use, such as https://push.example.com; empty: derived from the request.",
    )
    node_url: WebAddress = Field(
        "",
        description="Address at which other nodes with the same master key reach this one, such as "
        "http://10.0.0.5:8000; needed where a balancer does not keep a client on its node.",
    )
    requests_per_minute: int = Field(
        12_000, ge=0, description="API requests of one key or user a minute; 0: no limit."
    )
    arrival_seconds: float = Field(
        20.0, gt=0, description="Longest time for a request's head, and then for its body, to arrive."
    )
    max_body_bytes: int = Field(2_097_152, ge=1024, description="Largest HTTP request body.")
    drain_seconds: float = Field(10.0, ge=0, description="Longest wait for clients to leave on shutdown.")
    drain_spread_seconds: float = Field(
        5.0,
        ge=0,
        description="Clients are sent away at random moments within this time, at most half of drain_seconds, so "
        "that they do not come back at once; up to 500 a second need less of it.",
    )
    trusted_proxies: list[str] = Field(
        default_factory=list, description="Addresses whose X-Forwarded-For is believed."
    )


class ClientToken(Section):
    """How browser tokens are checked."""

    hmac_secret_key: str = Field("", description="Secret of HS256 user tokens of the default tenant.")
    rsa_public_key: str = Field(
        "", description="PEM of a key whose RS256 (384, 512, PS) tokens hold, for the default tenant."
    )
    ecdsa_public_key: str = Field("", description="PEM of a key whose ES256 (384, 512) tokens hold.")
    eddsa_public_key: str = Field("", description="PEM of a key whose EdDSA tokens hold.")
    jwks_public_endpoint: str = Field(
        "", description="Address of a JWKS whose keys' tokens hold, such as an identity provider's."
    )
    jwks_cache_seconds: float = Field(3600.0, gt=0, description="How long the JWKS is kept.")
    audience: str = Field("", description="Required aud claim; empty: not checked.")
    issuer: str = Field("", description="Required iss claim; empty: not checked.")


class Client(Section):
    """Rules for browser connections."""

    insecure: bool = Field(False, description="Accept connections without a token. For development only.")
    allowed_origins: list[Origin] = Field(
        default_factory=list,
        description="Origins (scheme://host:port, exact) whose pages may connect; '*' allows all.",
    )
    allow_anonymous_connect_without_token: bool = Field(
        False, description="Accept connections without a token as nobody; namespaces say what nobody may do."
    )
    token: ClientToken = Field(default_factory=ClientToken, description="User tokens.")
    ping_interval_seconds: float = Field(25.0, gt=0, description="Seconds between server pings.")
    pong_timeout_seconds: float = Field(8.0, gt=0, description="Seconds to wait for the pong.")
    connect_timeout_seconds: float = Field(10.0, gt=0, description="Seconds for the first connect command.")
    max_message_bytes: int = Field(65_536, ge=256, description="Largest frame a client may send.")
    max_channels: int = Field(128, ge=1, description="Subscriptions of one connection.")
    max_connections: int = Field(15_000, ge=1, description="Connections of this node; above it 503.")
    visitors_per_minute: int = Field(60, ge=1, description="Anonymous visitors that one address may bring.")
    max_connections_per_user: int = Field(50, ge=1, description="Connections of one user.")
    commands_per_second: float = Field(
        50.0, gt=0, description="Commands of one connection, with a burst of twice that."
    )
    user_commands_per_second: float = Field(
        200.0, gt=0, description="Commands of one user over all connections, with a burst of twice that."
    )
    slow_buffer_bytes: int = Field(
        1_048_576, ge=4096, description="Unsent bytes after which a reader is slow."
    )


class ChannelOptions(Section):
    """What may be done in a namespace's channels."""

    durability: Literal["disk", "memory"] = Field("disk", description="Where publications live.")
    presence: bool = Field(False, description="Keep who is subscribed.")
    join_leave: bool = Field(False, description="Send joins and leaves.")
    force_push_join_leave: bool = Field(
        False, description="Send joins and leaves to all subscribers unasked."
    )
    history_size: int = Field(0, ge=0, description="Publications kept; 0: none.")
    history_ttl_seconds: int = Field(0, ge=0, description="How long publications are kept; 0: for ever.")
    force_recovery: bool = Field(False, description="Recover missed publications unasked.")
    force_positioning: bool = Field(False, description="Give every subscriber a position.")
    force_recovery_mode: Literal["stream", "cache"] = Field(
        "stream", description="All missed, or only the latest."
    )
    allow_subscribe_for_client: bool = Field(False, description="Any user may subscribe without a token.")
    allow_subscribe_for_anonymous: bool = Field(False, description="Nameless clients may, too.")
    allow_publish_for_client: bool = Field(False, description="Any user may publish.")
    allow_publish_for_subscriber: bool = Field(False, description="Subscribers may publish.")
    allow_publish_for_anonymous: bool = Field(False, description="Nameless clients may publish.")
    allow_history_for_client: bool = Field(False, description="Any user may read history.")
    allow_history_for_anonymous: bool = Field(False, description="Nameless clients may read history.")
    allow_history_for_subscriber: bool = Field(False, description="Subscribers may read history.")
    allow_presence_for_client: bool = Field(False, description="Any user may read presence.")
    allow_presence_for_anonymous: bool = Field(False, description="Nameless clients may read presence.")
    allow_presence_for_subscriber: bool = Field(False, description="Subscribers may read presence.")
    allowed_delta_types: list[Literal["fossil"]] = Field(
        [], description="Deltas that subscribers may ask for."
    )
    delta_publish: bool = Field(False, description="Every publication may go as a delta, unasked.")
    allow_tags_filter: bool = Field(False, description="Subscribers may filter by tags.")
    allow_channel_compaction: bool = Field(
        False, description="Subscribers may get a number instead of the channel's name."
    )
    slow: Literal["recover", "latest", "disconnect"] = Field(
        "recover", description="What a slow reader gets."
    )


class Namespace(ChannelOptions):
    """A named set of channels: ``name:…``."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]{0,63}$")] = Field(
        description="The part of the channel's name before the colon."
    )


def _built_in_namespaces() -> list[Namespace]:
    """Channels that chatpush itself uses; the same names in the file replace them."""
    return [
        Namespace(
            name="user", history_size=100, history_ttl_seconds=604_800, force_recovery=True,
            allow_history_for_subscriber=True,
        ),
        Namespace(
            name="conversation", history_size=300, history_ttl_seconds=604_800, force_recovery=True,
            allow_history_for_subscriber=True, presence=True,
        ),
        Namespace(name="console", durability="memory", history_size=50, history_ttl_seconds=600),
    ]  # fmt: skip


class Channel(Section):
    """Channel rules by namespace."""

    without_namespace: ChannelOptions = Field(
        default_factory=ChannelOptions, description="Rules of channels whose name has no colon."
    )
    namespaces: list[Namespace] = Field(default_factory=list, description="Rules by namespace.")
    max_name_length: int = Field(255, ge=1, description="Longest channel name.")
    position_check_seconds: float = Field(
        40.0, gt=0, description="Seconds between checks that every positioned subscriber has all there is."
    )

    def options(self, channel: str) -> ChannelOptions | None:
        """Return the rules of a channel, or None if its namespace is unknown."""
        if ":" not in channel:
            return self.without_namespace
        name = channel.split(":", 1)[0]
        return self.by_name().get(name)

    def by_name(self) -> dict[str, ChannelOptions]:
        """Return all namespaces, the built-in ones included."""
        return {space.name: space for space in [*_built_in_namespaces(), *self.namespaces]}


class HttpApi(Section):
    """The realtime server API, ``/api/…``."""

    key: str = Field("", description="A key for /api/* beside the sk_ keys; empty: only those.")


class CapRule(Section):
    """At most so many messages to a user within a rolling window, over all campaigns."""

    max: int = Field(ge=1, description="How many.")
    hours: float = Field(24.0, gt=0, description="The window.")
    category: Literal["", "alert", "marketing"] = Field("", description="Only of this category; empty: both.")
    topic: str = Field("", description="Only messages to this topic.")


class Notify(Section):
    """The notification pipeline."""

    templates_dir: str = Field(
        "", description="Directory of <name>.toml templates, relative to the file, loaded at start."
    )
    max_inline_recipients: int = Field(1000, ge=1, description="Recipients named in one request.")
    page_size: int = Field(500, ge=1, le=10_000, description="Users fanned out in one transaction.")
    read_from_users: int = Field(
        1000, ge=0, description="Topics and everyone, beyond so many users, are fanned out on read."
    )
    channel_prices: dict[str, Decimal] = Field(
        default_factory=dict,
        description="What a message by a channel costs beside the plan, by its name; for estimates.",
    )
    marketing_cap: int = Field(3, ge=0, description="Marketing messages a user gets per window; 0: no cap.")
    marketing_cap_hours: int = Field(24, ge=1, description="The window of marketing_cap.")
    marketing_needs_consent: bool = Field(True, description="Marketing only to users who consented.")
    caps: list[CapRule] = Field(
        default_factory=list, description="Further caps: [[notify.caps]] with max, hours, category, topic."
    )
    default_quiet_hours: str = Field(
        "", description="Quiet hours of users without their own, 22:00-08:00; empty: none."
    )
    inbox_size: int = Field(200, ge=10, description="Messages kept in a user's inbox.")
    retention_days: int = Field(90, ge=1, description="How long messages, deliveries and traces are kept.")
    max_attempts: int = Field(5, ge=1, description="Attempts on one channel before a delivery fails.")
    render_seconds: float = Field(2.0, gt=0, description="Longest rendering of one template.")
    render_max_bytes: int = Field(65_536, ge=1024, description="Largest rendered text.")


class Recommend(Section):
    """The recommender."""

    max_items: int = Field(200_000, ge=1, description="Items considered.")
    refit_seconds: float = Field(900.0, gt=0, description="Seconds between refits when there are new events.")
    exploration: float = Field(0.1, ge=0, le=1, description="Share of picks given to new or untried items.")
    cohort_attributes: list[str] = Field(
        ["country", "region", "city", "plan"],
        max_length=20,
        description="Attributes that say, beside the language, what somebody of whom nothing else is known may want.",
    )
    retention_days: int = Field(730, ge=1, description="How long events are kept.")
    learn_seconds: float = Field(
        86_400.0, ge=0, description="Seconds between trainings when enough is new; 0: by command only."
    )
    models_directory: str = Field("models", description="Where trained models lie, below data_dir.")
    judge_labels: bool = Field(
        True, description="Treat a message as marketing if its words surely are, whatever its label says."
    )
    words_daily_tokens: int = Field(
        100_000, ge=0, description="Tokens a day for words and analyses by a model, for each tenant; 0: none."
    )
    words_control: float = Field(
        0.2, ge=0, le=1, description="Share of readers who always get the declared words, to compare with."
    )
    tone: str = Field(
        "", max_length=500, description="How a model is to write, such as: calm, short, no exclamations."
    )
    forbidden_words: list[str] = Field(
        default_factory=list,
        max_length=200,
        description="Words a model must not use; whatever has one is not sent.",
    )


class Plugins(Section):
    """Plugins and their own settings."""

    directory: str = Field(
        "", description="Directory of single-file plugins, below data_dir unless absolute."
    )
    enabled: list[str] = Field(
        default_factory=list, description="First-party plugins to load, by name; entry points always load."
    )
    budget_milliseconds: float = Field(250.0, gt=0, description="Longest time of one hook call.")
    budgets: dict[str, float] = Field(
        default_factory=dict,
        description="Longest time in ms of a hook, by `hook` or `plugin.hook`; before what a plugin asks for.",
    )
    failures_before_cut_off: int = Field(5, ge=1, description="Failures in a row that cut a hook off.")
    cut_off_seconds: float = Field(30.0, gt=0, description="How long a failing hook stays cut off.")
    reload: bool = Field(
        False, description="Take changed plugin files in without a restart; for development."
    )
    settings: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Own settings of each plugin, by its name."
    )


class Store(Section):
    """Records and sealing."""

    database: str = Field("chatpush.db", description="A file below data_dir, or a postgresql:// address.")
    synchronous: Literal["FULL", "NORMAL"] = Field("FULL", description="SQLite's promise at power loss.")
    master_key_file: str = Field("master.key", description="The master key, below data_dir; mode 600.")
    write_queue: int = Field(10_000, ge=10, description="Writes that may wait for the writer thread.")


class Plan(Section):
    """What the default tenant pays."""

    name: Literal["trial", "payg", "monthly", "yearly"] = Field("trial", description="The plan.")
    enforce: bool = Field(False, description="Refuse beyond the plan's quota.")


class Settings(Section):
    """The whole tree."""

    data_dir: str = Field(".", description="Where databases and keys live, relative to the file.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is logged.")
    log_json: bool = Field(True, description="JSON lines; false: readable text.")
    server: HttpServer = Field(default_factory=HttpServer, description="The HTTP server.")
    client: Client = Field(default_factory=Client, description="Browser connections.")
    channel: Channel = Field(default_factory=Channel, description="Channels.")
    http_api: HttpApi = Field(default_factory=HttpApi, description="The realtime server API.")
    store: Store = Field(default_factory=Store, description="Records.")
    notify: Notify = Field(default_factory=Notify, description="Notifications.")
    channels: Channels = Field(default_factory=Channels, description="Channels beyond open pages.")
    support: Support = Field(default_factory=Support, description="Customer service.")
    widget: Widget = Field(default_factory=Widget, description="The widget.")
    attachments: Attachments = Field(default_factory=Attachments, description="Files in conversations.")
    writer: Writer = Field(default_factory=Writer, description="The language model.")
    recommend: Recommend = Field(default_factory=Recommend, description="Recommendations.")
    plugins: Plugins = Field(default_factory=Plugins, description="Plugins.")
    plan: Plan = Field(default_factory=Plan, description="The bill.")

    def path(self, name: str) -> Path:
        """Return a file's place below ``data_dir``."""
        return Path(self.data_dir) / name
