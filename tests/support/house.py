"""The whole room of customer service on a test's database, with recorders around it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chatpush.domain import (
    DEFAULT_TENANT,
    DeliveryId,
    Event,
    EventId,
    Identity,
    ItemId,
    Json,
    Source,
    TenantId,
    Turn,
    UserId,
)
from chatpush.errors import NotFound
from chatpush.plugins.contracts import Follow, Tool, ToolResult
from chatpush.plugins.host import Plugins
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.assistant.assistant import Assistant
from chatpush.support.assistant.at_hand import AtHand
from chatpush.support.assistant.embedded import EmbeddedAssistant
from chatpush.support.assistant.gate import Gate
from chatpush.support.assistant.promises import Promises
from chatpush.support.assistant.tools import Toolbox
from chatpush.support.assistant.wishes import Wishes
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation
from chatpush.support.knowledge.knowledge import Knowledge
from chatpush.support.knowledge.reading import Draft
from chatpush.support.people.desk import Desk
from chatpush.support.ports import Described, Notice
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.support_settings import Support
from chatpush.writer_settings import Writer as WriterSettings
from tests.clocks import StillClock
from tests.support.modelling import Modelling, build_modelling
from tests.support.staffed import Staffed, staffed

ADA = UserId("ada")
BOB = UserId("bob")
VISITOR = UserId("visitor_7")


class Channels:
    """A publisher that keeps what it was given; a repeated idempotency key is kept once."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Any]] = []
        self._keys: set[tuple[str, str]] = set()

    async def publish(
        self,
        tenant: TenantId,
        channel: str,
        data: Json,
        *,
        idempotency_key: str = "",
        tags: dict[str, str] | None = None,
        skip_history: bool = False,
    ) -> None:
        if idempotency_key and (channel, idempotency_key) in self._keys:
            return
        self._keys.add((channel, idempotency_key))
        self.published.append((channel, data))

    def on(self, channel: str, type_: str = "") -> list[Any]:
        """Return what a channel got, of one type."""
        return [data for name, data in self.published if name == channel and type_ in {"", data["type"]}]


class OrderTool:
    """Looks up the orders of whoever asks, and keeps who that was."""

    name = "order_status"
    description = "Where an order of the signed-in user is."
    questions: Mapping[str, list[str]] = {
        "en": [
            "Where is my order?",
            "When does my parcel arrive?",
            "Track my order",
            "What is my delivery status?",
        ],
        "zh": ["我的订单到哪了", "我的快递到哪了", "查物流", "什么时候送到"],
    }
    parameters: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "order_id": {
                "type": "string",
                "description": "The order's number",
                "x-ask": {"en": "your order number", "zh": "您的订单号"},
            }
        },
        "required": ["order_id"],
    }
    slots: Mapping[str, str] = {"order_id": r"(?<!\d)(\d{4,})(?!\d)"}

    def __init__(self, orders: dict[str, tuple[str, str]] | None = None) -> None:
        self.orders = orders or {"1001": ("ada", "shipped"), "2002": ("bob", "shipped")}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.broken = False
        self.until: datetime | None = None

    async def call(self, identity: Identity, arguments: Mapping[str, Any]) -> ToolResult:
        self.asked.append((identity.subject, dict(arguments)))
        if self.broken:
            raise RuntimeError("the shop is down")
        order = str(arguments.get("order_id", ""))
        owner, state = self.orders.get(order, ("", ""))
        if owner != identity.subject:
            raise NotFound(f"no order {order}")
        chinese = {"shipped": "已发货", "delivered": "已送达"}[state]
        follow = Follow(
            event_type="order.delivered",
            match={"order_id": order},
            offer={
                "en": f"Shall I tell you when order {order} arrives?",
                "zh": f"要我在订单 {order} 送达时告诉您吗？",
            },
            done={"en": "Your order {order_id} has arrived.", "zh": "您的订单 {order_id} 已送达。"},
            until=self.until,
        )
        return ToolResult(
            text={"en": f"Order {order} is {state}.", "zh": f"订单 {order} {chinese}。"},
            facts={"order_id": order, "state": state},
            sources=(Source(f"Order {order}", f"https://shop.example/orders/{order}"),),
            follow=follow if state == "shipped" else None,
        )


ARTICLES = [
    Draft("ship", "Delivery costs and times", "Standard delivery takes 2 to 4 working days and costs £3.95. "
          "Orders over £50 are delivered free of charge.", "en", "https://shop.example/help/delivery"),
    Draft("return", "Returns and refunds", "You can return goods within 30 days. The refund reaches your card "
          "within 5 working days after we received the parcel.", "en", "https://shop.example/help/returns"),
    Draft("pay", "Ways to pay", "We take credit cards, PayPal and Alipay. Your card is charged when we ship.", "en"),
    Draft("invoice", "Invoices", "Download the invoice of an order from your account page.", "en"),
    Draft("warranty", "Warranty", "Lamps carry a two year warranty against defects.", "en"),
    Draft("zh-ship", "配送与物流", "标准配送需要2到4天，运费3.95英镑，满50英镑免运费。", "zh",
          "https://shop.example/zh/delivery"),
    Draft("zh-return", "退货与退款", "您可以在收到商品后30天内退货。退款会在我们收到退货后5个工作日内原路退回。", "zh",
          "https://shop.example/zh/returns"),
    Draft("zh-pay", "支付方式", "我们接受信用卡、支付宝、微信支付和PayPal。", "zh"),
    Draft("zh-invoice", "发票", "在订单详情里可以下载电子发票，公司抬头请在结账时填写。", "zh"),
]  # fmt: skip


@dataclass(repr=False)  # all that was ever told is too long for a property test to print
class House:
    """One running room."""

    channels: Channels
    tool: OrderTool
    notices: list[Notice]
    knowledge: Knowledge
    retrieval: Retrieval
    conversations: Conversations
    promises: Promises
    desk: Desk
    assistant: Assistant
    clock: StillClock
    people: Staffed
    modelling: Modelling | None = None
    opened: dict[UserId, Conversation] = field(default_factory=dict)

    async def say(self, text: str, user: UserId = ADA, client_id: str | None = None) -> Turn:
        """Say something as a user and return the last turn once the assistant is idle."""
        conversation = await self.conversation(user)
        await self.assistant.ask(conversation, text, client_id)
        await self.assistant.idle()
        return (await self.turns(user))[-1]

    async def conversation(self, user: UserId = ADA) -> Conversation:
        """Return a user's conversation as it is now, opening it the first time."""
        if user not in self.opened:
            self.opened[user] = await self.assistant.open(DEFAULT_TENANT, user)
        return await self.conversations.get(DEFAULT_TENANT, self.opened[user].id)

    async def turns(self, user: UserId = ADA) -> list[Turn]:
        """Return a user's turns."""
        return await self.conversations.turns(await self.conversation(user))

    async def close(self) -> None:
        """Stop what runs."""
        await self.assistant.stop()
        await self.promises.stop()
        await self.people.renderers.stop()
        if self.modelling is not None:
            await self.modelling.close()


ITEMS = {
    "85123A": Described(
        "item", "85123A", "White heart lantern", "A lantern.", "2.55", "GBP", reason="You liked hearts"
    )
}


async def build(
    database: Database,
    vault: Vault,
    clock: StillClock,
    *,
    tools: Sequence[Tool] | None = None,
    channels: Channels | None = None,
    writer_settings: WriterSettings | None = None,
    articles: Sequence[Draft] = ARTICLES,
    settings: Support | None = None,
    locale: str = "en",
    mail: bool = True,
    plugins: Plugins | None = None,
    wishes: Wishes | None = None,
    items: Mapping[str, Described] | None = None,
    readers: Mapping[str, frozenset[str]] | None = None,
) -> House:
    """Build the room; building it again on the same database is a restart."""
    channels = channels or Channels()
    notices: list[Notice] = []
    settings = settings or Support()
    tool = OrderTool()

    async def locale_of(tenant: TenantId, user: UserId) -> str:
        return locale

    async def describe_item(tenant: TenantId, item: ItemId) -> Described | None:
        return (items or ITEMS).get(item)

    async def find_items(tenant: TenantId, user: UserId, words: Sequence[str], limit: int) -> list[Described]:
        known = (items or ITEMS).values()
        return [one for one in known if all(word in one.title.casefold() for word in words)][:limit]

    async def reader_of(tenant: TenantId, user: UserId) -> frozenset[str]:
        return (readers or {}).get(user, frozenset())

    async def describe_delivery(tenant: TenantId, user: UserId, delivery: DeliveryId) -> Described | None:
        known = user == ADA and delivery == "dlv_1"
        return (
            Described("delivery", delivery, "Your order has shipped", "Order 1001 left today.")
            if known
            else None
        )

    async def notify(notice: Notice) -> None:
        if all(before.promise != notice.promise for before in notices):
            notices.append(notice)

    knowledge = Knowledge(database, vault, clock)
    await knowledge.put(DEFAULT_TENANT, list(articles))
    retrieval = Retrieval(knowledge)
    conversations = Conversations(
        database, vault, channels, lambda tenant, user, channel: f"token {user} {channel}", clock
    )
    promises = Promises(database, vault, conversations, clock, notify, settings.promise_days)
    toolbox = Toolbox([tool] if tools is None else tools)
    embedded = EmbeddedAssistant(retrieval, toolbox, promises, settings, AtHand(find_items), wishes)
    modelling = None
    if writer_settings is not None:
        modelling = build_modelling(
            database, vault, clock, settings, writer_settings, conversations, retrieval, toolbox, embedded,
            plugins,
        )  # fmt: skip
    people = staffed(database, vault, clock, conversations, promises, channels, mail=mail)
    assistant = Assistant(
        conversations, embedded, modelling.assistant if modelling else None, promises,
        Gate(retrieval, settings), channels, describe_item, describe_delivery, locale_of, reader_of, settings,
        clock,
    )  # fmt: skip
    assistant.keep_trails(people.staff.trails)
    return House(
        channels, tool, notices, knowledge, retrieval, conversations, promises,
        people.staff.desk, assistant, clock, people, modelling,
    )  # fmt: skip


def delivered(
    order: str = "1001", user: UserId = ADA, id_: str = "evt_1", clock: StillClock | None = None
) -> Event:
    """Return the event of an order that has arrived."""
    at = (clock or StillClock()).now()
    return Event(DEFAULT_TENANT, EventId(id_), user, "order.delivered", at, properties={"order_id": order})
