"""Made-up page models: a busy afternoon in a shop, for drawing pages without services."""

from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from chatpush.domain import Role
from chatpush.support.people.canned import CannedAnswer
from chatpush.support.people.service_figures import DayFigures, ServiceReport
from chatpush.web.console import models
from chatpush.web.console.render import Shell
from tests.console import recommending_made_up

NOW = datetime(2026, 11, 24, 14, 32, tzinfo=UTC)


def ago(**span: float) -> datetime:
    """Return a moment before now."""
    return NOW - timedelta(**span)


def soon(**span: float) -> datetime:
    """Return a moment after now."""
    return NOW + timedelta(**span)


def shell(here: str, language: str = "en", theme: str = "light", role: Role = Role.ADMIN) -> Shell:
    """Return the frame of Grace, who looks at a page."""
    return Shell(
        language=language, theme=theme, csrf="token", name="Grace Hopper", role=role, here=here, now=NOW
    )


OVERVIEW = models.Overview(
    counters=(
        models.Counter("connections", 1284, note=1302),
        models.Counter("users", 1107, note=4339),
        models.Counter("messages", 8412, href="/console/deliveries", note=5190),
        models.Counter("conversations", 37, href="/console/conversations", note=4),
        models.Counter("waiting", 2, tone="warn", href="/console/conversations?show=waiting", note=3),
    ),
    states=(
        models.Choice("delivered", 7930),
        models.Choice("sent", 214),
        models.Choice("queued", 12),
        models.Choice("suppressed", 251),
        models.Choice("failed", 5),
    ),
    next_runs=(
        models.NextRun("cmp_1", "Weekend picks", soon(hours=3)),
        models.NextRun("cmp_2", "Basket left behind", soon(minutes=12)),
        models.NextRun("cmp_3", "Christmas last orders", soon(days=6)),
    ),
    bill=models.Bill(
        "monthly",
        "£49.00",
        ago(days=12),
        soon(days=18),
        (
            models.UsageLine("messages", 31_208, 50_000),
            models.UsageLine("active_users", 842, 1_000),
            models.UsageLine("connection_minutes", 412_003, 2_000_000),
            models.UsageLine("model_tokens", 0, 500_000),
        ),
    ),
    activity=(
        models.Activity(
            "handover",
            "Emma Thompson",
            "asks for a person",
            ago(seconds=20),
            "/console/conversations/c1",
            "warn",
        ),
        models.Activity(
            "turn",
            "Noah Williams",
            "Is the lantern weatherproof?",
            ago(seconds=50),
            "/console/conversations/c2",
            "accent",
        ),
        models.Activity(
            "delivery", "order_shipped", "delivered to li.wei", ago(minutes=2), "/console/deliveries/m1", "ok"
        ),
        models.Activity(
            "delivery",
            "weekend_picks",
            "held back: over the marketing cap",
            ago(minutes=4),
            "/console/deliveries/m2",
            "warn",
        ),
        models.Activity(
            "run",
            "Basket left behind",
            "run finished, 84 sent",
            ago(minutes=18),
            "/console/campaigns/cmp_2",
            "ok",
        ),
        models.Activity("event", "li.wei", "order.paid 536412", ago(minutes=21)),
    ),
)

LINES = (
    models.ConversationLine(
        "c1",
        "emma",
        "Emma Thompson",
        "waiting",
        "I'd like to talk to a person, please",
        "user",
        ago(minutes=3),
        online=True,
    ),
    models.ConversationLine(
        "c5",
        "li.wei",
        "李伟",
        "waiting",
        "蛋糕架到货时碎了一块，怎么办？",
        "user",
        ago(minutes=6),
        online=True,
    ),
    models.ConversationLine(
        "c3",
        "olivia",
        "Olivia Brown",
        "agent",
        "I have sent a new one on its way.",
        "agent",
        ago(minutes=9),
        agent="Grace Hopper",
        online=True,
    ),
    models.ConversationLine(
        "c2",
        "noah",
        "Noah Williams",
        "assistant",
        "The lantern is made of zinc and may stand outside.",
        "assistant",
        ago(minutes=14),
    ),
    models.ConversationLine(
        "c4", "visitor_8f2c", "Visitor 8f2c", "assistant", "Do you ship to Norway?", "user", ago(hours=2)
    ),
    models.ConversationLine(
        "c6",
        "sophie",
        "Sophie Martin",
        "assistant",
        "You can return it within 30 days.",
        "assistant",
        ago(hours=5),
    ),
)

INBOX = models.Inbox(
    "open",
    (
        models.Choice("open", 6, True),
        models.Choice("waiting", 2),
        models.Choice("mine", 1),
        models.Choice("assistant", 3),
        models.Choice("closed", None),
    ),
    LINES,
    "c1",
)

THREAD = models.Thread(
    "c1",
    "emma",
    "Emma Thompson",
    "waiting",
    "",
    False,
    True,
    (
        models.TurnView(
            "t1", "user", "Emma Thompson", Markup("<p>Where is my order 536412?</p>"), ago(minutes=11)
        ),
        models.TurnView(
            "t2",
            "assistant",
            "Robin",
            Markup(
                "<p>Order <strong>536412</strong> left our warehouse yesterday with Royal Mail, tracking number "
                "<code>RM 4421 8890</code>. It should arrive on <strong>Thursday</strong>.</p>"
                "<p>Shall I tell you when it arrives?</p>"
            ),
            ago(minutes=11),
            (
                models.SourceLink("Order 536412", "https://shop.example/orders/536412"),
                models.SourceLink(
                    "Shipping times", "https://shop.example/help/shipping", "Two to three working days"
                ),
            ),
            ("Yes, tell me", "No, thanks"),
        ),
        models.TurnView("t3", "user", "Emma Thompson", Markup("<p>Yes please</p>"), ago(minutes=10)),
        models.TurnView(
            "t4",
            "assistant",
            "Robin",
            Markup("<p>I will write to you here as soon as it is delivered.</p>"),
            ago(minutes=10),
            promise=models.PromiseLine("Tell Emma when order 536412 arrives", soon(days=30)),
        ),
        models.TurnView(
            "t5",
            "user",
            "Emma Thompson",
            Markup("<p>Could you engrave the jam jar with a name? It is a present.</p>"),
            ago(minutes=5),
        ),
        models.TurnView(
            "t6",
            "assistant",
            "Robin",
            Markup(
                "<p>I don't know that for certain, and I would rather not guess. A colleague will answer you here.</p>"
            ),
            ago(minutes=5),
        ),
        models.TurnView("t7", "system", "", Markup("Emma asked for a person"), ago(minutes=3)),
    ),
)

MINE = models.Thread(
    "c3",
    "olivia",
    "Olivia Brown",
    "agent",
    "Grace Hopper",
    True,
    True,
    (
        models.TurnView(
            "t1",
            "user",
            "Olivia Brown",
            Markup("<p>The cake stand arrived with a crack.</p>"),
            ago(minutes=22),
        ),
        models.TurnView(
            "t2",
            "assistant",
            "Robin",
            Markup("<p>I am sorry about that. A colleague will look after it.</p>"),
            ago(minutes=22),
        ),
        models.TurnView("t3", "system", "", Markup("Grace Hopper took over"), ago(minutes=20)),
        models.TurnView(
            "t4",
            "agent",
            "Grace Hopper",
            Markup("<p>Hello Olivia, I have sent a new one on its way. Please keep the old one.</p>"),
            ago(minutes=9),
            cards=({"title": "Regency Cakestand 3 Tier", "price": "£12.75", "image": ""},),
        ),
    ),
)

CUSTOMER = models.Customer(
    "emma",
    "Emma Thompson",
    "en-GB",
    "Europe/London",
    True,
    False,
    ago(days=210),
    (("country", "United Kingdom"), ("plan", "Friends of the shop"), ("orders", "14")),
    (models.ConsentLine("marketing", True, (("email", False),)),),
    (
        models.About("item", "Jam Jar with Green Lid", "£0.85"),
        models.About("message", "weekly_picks", "Weekly picks"),
    ),
    (
        models.EventLine("order.shipped", "536412", ago(days=1)),
        models.EventLine("view", "Jam Jar with Green Lid", ago(minutes=14)),
        models.EventLine("cart", "Red Retrospot Mug", ago(days=2)),
        models.EventLine("order.paid", "536412", ago(days=3), "£48.20"),
    ),
    (
        models.MessageLine("m1", "Your order is on its way", "seen", ago(days=1)),
        models.MessageLine("m2", "Picked for your kitchen", "clicked", ago(days=4)),
    ),
    (models.PromiseLine("Order 536412 delivered", soon(days=30), "open"),),
)

FUNNEL = (
    models.FunnelStep("sent", 8144, 100),
    models.FunnelStep("delivered", 7930, 97.4),
    models.FunnelStep("seen", 5190, 63.7),
    models.FunnelStep("clicked", 1204, 14.8),
)

DELIVERIES = models.Deliveries(
    FUNNEL,
    OVERVIEW.states,
    (
        models.SentMessage("m1", "order_shipped@3", "li.wei", "transactional", ago(minutes=2), 1, 1, 0, 0, 0),
        models.SentMessage(
            "m2",
            "weekend_picks@1",
            "Segment: loves_kitchen",
            "marketing",
            ago(hours=2),
            4120,
            3903,
            2210,
            431,
            217,
        ),
        models.SentMessage("m3", "basket_left@2", "84 users", "marketing", ago(hours=3), 84, 80, 51, 17, 4),
        models.SentMessage(
            "m4", "price_alert@1", "Topic: lanterns", "alert", ago(hours=5), 312, 310, 240, 98, 2
        ),
        models.SentMessage(
            "m5", "christmas@1", "Everybody", "marketing", ago(hours=6), 4339, 0, 0, 0, 0, "scheduled"
        ),
    ),
    "m5",
)

MESSAGE = models.MessageDetail(
    "msg_06b3c8",
    "weekend_picks@1",
    "marketing",
    "Segment: loves_kitchen",
    "",
    ago(hours=2),
    FUNNEL,
    (models.Choice("delivered", 3), models.Choice("suppressed", 2)),
    (
        models.DeliveryLine(
            "d1",
            "emma",
            "delivered",
            "inbox",
            "",
            ago(hours=2),
            (
                models.TraceStep("queued", ago(hours=2)),
                models.TraceStep("sent", ago(hours=2)),
                models.TraceStep("delivered", ago(hours=2)),
                models.TraceStep("seen", ago(hours=1)),
                models.TraceStep("clicked", ago(hours=1)),
            ),
        ),
        models.DeliveryLine(
            "d2",
            "noah",
            "suppressed",
            "",
            "Over the marketing cap",
            ago(hours=2),
            (models.TraceStep("queued", ago(hours=2)), models.TraceStep("suppressed", ago(hours=2))),
        ),
        models.DeliveryLine(
            "d3",
            "olivia",
            "suppressed",
            "",
            "No consent to marketing",
            ago(hours=2),
            (models.TraceStep("queued", ago(hours=2)), models.TraceStep("suppressed", ago(hours=2))),
        ),
        models.DeliveryLine(
            "d4",
            "li.wei",
            "delivered",
            "inbox",
            "",
            ago(hours=2),
            (
                models.TraceStep("queued", ago(hours=2)),
                models.TraceStep("sent", ago(hours=2)),
                models.TraceStep("delivered", ago(hours=2)),
            ),
        ),
    ),
    (("priority", "normal"), ("ttl", "24 h")),
)

RUN = models.RunLine("r1", "2026-11-24T09:00", "finished", ago(hours=5), ago(hours=5), 3903, 217)
CAMPAIGNS = (
    models.CampaignLine(
        "cmp_1",
        "Weekend picks",
        "active",
        "cron",
        "0 17 * * fri",
        "recommendation, 4 items",
        "Segment: loves_kitchen",
        soon(hours=3),
        RUN,
    ),
    models.CampaignLine(
        "cmp_2",
        "Basket left behind",
        "active",
        "interval",
        "every 30 min",
        "basket_left",
        "Topic: baskets",
        soon(minutes=12),
        models.RunLine("r2", "x", "running", ago(minutes=1), None, 12, 0),
    ),
    models.CampaignLine(
        "cmp_4",
        "Order paid",
        "active",
        "event",
        "order.paid",
        "order_paid",
        "The event's user",
        None,
        models.RunLine("r3", "x", "finished", ago(minutes=21), None, 1, 0),
    ),
    models.CampaignLine(
        "cmp_3",
        "Christmas last orders",
        "paused",
        "date",
        "2026-11-30 09:00",
        "christmas",
        "Everybody",
        None,
        None,
    ),
)
CAMPAIGN = models.CampaignDetail(
    CAMPAIGNS[0],
    "Europe/London",
    tuple(soon(days=7 * week, hours=3) for week in range(6)),
    FUNNEL,
    (
        RUN,
        models.RunLine("r0", "2026-11-17T09:00", "finished", ago(days=7), ago(days=7), 3811, 240),
        models.RunLine(
            "r9", "2026-11-10T09:00", "missed", None, None, 0, 0, "the server was down longer than the grace"
        ),
    ),
)
DRY = models.DryRun(
    4120,
    (
        models.DrySample("emma", "en", "Picked for your kitchen", "Four things that go with your mugs."),
        models.DrySample("noah", "en", "", "", "nothing to recommend"),
    ),
)
FORM = models.CampaignForm(
    ("order_paid", "order_shipped", "weekend_picks"), ("lanterns",), ("loves_kitchen",)
)

RECOMMENDATIONS = models.Recommendations(
    "emma",
    True,
    "Emma Thompson",
    (
        models.PickLine(
            "85123A",
            "White Hanging Heart T-Light Holder",
            "",
            "£2.55",
            412,
            0.93,
            0.93,
            "Bought together with your Red Retrospot Mug",
            "together",
        ),
        models.PickLine(
            "22423",
            "Regency Cakestand 3 Tier",
            "",
            "£12.75",
            38,
            0.81,
            0.81,
            "Popular with people who shop like you",
            "alike",
        ),
        models.PickLine(
            "47566",
            "Party Bunting",
            "",
            "£4.95",
            120,
            0.74,
            0.74,
            "Goes with what you viewed today",
            "content",
        ),
        models.PickLine(
            "84879",
            "Assorted Colour Bird Ornament",
            "",
            "£1.69",
            0,
            0.52,
            0.52,
            "Many like it this week",
            "popular",
        ),
        models.PickLine(
            "22720",
            "Set of 3 Cake Tins Pantry Design",
            "",
            "£4.95",
            64,
            0.47,
            0.47,
            "New in the shop",
            "exploration",
        ),
    ),
    CUSTOMER.events,
    ("emma", "noah"),
)

PLUGINS = (
    models.PluginLine(
        "shop_orders",
        "Look orders up, as the signed-in customer and nobody else.",
        1,
        ("register_tools", "register_rpc"),
        (models.HookLine("on_event", 250, calls=1842, average_milliseconds=1.2),),
    ),
    models.PluginLine(
        "content_filter",
        "Drop messages with words that must not leave the house.",
        2,
        (),
        (
            models.HookLine(
                "filter_message",
                250,
                fail_closed=True,
                calls=8412,
                failures=3,
                drops=17,
                average_milliseconds=0.4,
                last_error="filter_message raised KeyError at content_filter.py:64",
            ),
            models.HookLine("filter_publication", 20, fail_closed=True, calls=96, average_milliseconds=0.05),
        ),
        before=("promotion",),
    ),
    models.PluginLine(
        "promotion",
        "Put what is overstocked a little higher.",
        3,
        ("register_rankers",),
        (
            models.HookLine(
                "on_receipt",
                250,
                calls=611,
                failures=5,
                average_milliseconds=251.7,
                cuts=1,
                cut_off_seconds=21.4,
                last_error="on_receipt took over 250 ms",
            ),
        ),
    ),
)

SETTINGS = (
    (
        "general",
        (
            models.SettingLine("log_level", "info", "debug", True, "What is logged."),
            models.SettingLine(
                "data_dir", ".", "/srv/chatpush", True, "Where databases and keys live, relative to the file."
            ),
        ),
    ),
    (
        "server",
        (
            models.SettingLine(
                "server.port", "8000", "8000", False, "Port to listen on; 0 picks a free one."
            ),
            models.SettingLine(
                "server.public_url",
                "",
                "",
                False,
                "Address that browsers use, such as https://push.example.com; empty: derived from the request.",
            ),
        ),
    ),
)
KEYS = (
    models.KeyLine(
        "k1",
        "Shop backend",
        "sk",
        "x9Qa",
        ("messages:write", "events:write", "users:write"),
        ago(days=40),
        ago(minutes=1),
        False,
    ),
    models.KeyLine("k2", "Shop pages", "pk", "77Kd", (), ago(days=40), ago(minutes=2), False),
    models.KeyLine("k3", "Old backend", "sk", "aa01", ("*",), ago(days=400), ago(days=60), True),
)
PEOPLE = (
    models.PersonLine("p1", "Grace Hopper", "grace@shop.example", "admin", ago(days=300), True),
    models.PersonLine("p2", "Alan Turing", "alan@shop.example", "agent", ago(days=20)),
)
TEMPLATES = (
    models.TemplateLine("order_paid", 2, "transactional", ("en", "zh-CN")),
    models.TemplateLine("weekend_picks", 1, "marketing", ("en",)),
)
TEMPLATE = models.TemplateDetail(
    TEMPLATES[0],
    (
        (
            "en",
            (("title", "Thank you, {{ user.name }}"), ("body", "We have received your order {{ order }}.")),
        ),
        ("zh-CN", (("title", "谢谢您，{{ user.name }}"), ("body", "我们已收到订单 {{ order }}。"))),
    ),
    '{\n  "order": "536412"\n}',
)
ARTICLES = (
    models.ArticleLine("a1", "Shipping times and costs", "en", "https://shop.example/help/shipping", 6),
    models.ArticleLine("a2", "配送时间和费用", "zh-CN", "https://shop.example/help/zh/shipping", 6),
    models.ArticleLine("a3", "Returns and refunds", "en", "https://shop.example/help/returns", 9),
)
TRIED = models.TriedQuestion(
    "How long does shipping take?",
    "answer",
    0.82,
    (
        models.FoundPassage(
            "Shipping times and costs",
            "Within the United Kingdom we deliver in two to three working days.",
            0.82,
        ),
    ),
)
CANDIDATES = (
    models.CandidateLine(
        "cnd_1", "Can you engrave a name?", "Up to 20 letters.", "a1", "Shipping", "cnv_1", ago(hours=3)
    ),
)
TEAMS = (models.TeamLine("tem_1", "Help", "refund", "en", "round_robin", True, "Europe/London", 2),)
AGENTS = (
    models.AgentLine("psn_1", "Grace Hopper", "grace@shop.example", "online", 2, 5, ("tem_1",), "", "en"),
    models.AgentLine("psn_2", "Linus", "linus@shop.example", "offline", 0, 5, (), "refund", ""),
)
SERVICE = (
    models.ServiceNumber("resolved", "94 %", "of 120 conversations", "ok"),
    models.ServiceNumber("first", "2.1 min", "90 % within 8.0 min"),
)
REPORT = ServiceReport(
    120, 12, 0.9, 0.94, {}, 8, 4.6, 0.9, {}, {}, 1.0, [DayFigures("2026-11-24", 12, 2, 10, 120.0, 4.5)]
)

LETTERS = models.DeadLetterList(
    (
        models.DeadLetterLine(
            "dead_1", "dlv_1", "msg_1", "emma", "email", "mailbox full", 5, ago(minutes=3), ago(minutes=1)
        ),
        models.DeadLetterLine("dead_2", "dlv_2", "msg_1", "noah", "<push>", "gone", 1, ago(hours=2)),
    ),
    ("<push>", "email"),
    models.LetterFilter(channel="<push>"),
    "before=dead_2",
    "redriven",
    "2",
)
TRIES = (
    models.LetterTry(ago(minutes=9), "unavailable", "452 over quota"),
    models.LetterTry(ago(minutes=3), "failed", ""),
)

PAGES: dict[str, tuple[str, str, dict[str, object]]] = {
    "overview": ("overview.html", "/console", {"overview": OVERVIEW}),
    "conversations": (
        "conversations.html",
        "/console/conversations",
        {"inbox": INBOX, "thread": THREAD, "customer": CUSTOMER},
    ),
    "conversations-mine": (
        "conversations.html",
        "/console/conversations",
        {"inbox": INBOX, "thread": MINE, "customer": CUSTOMER},
    ),
    "conversations-none": (
        "conversations.html",
        "/console/conversations",
        {"inbox": models.Inbox("mine", INBOX.filters, ()), "thread": None, "customer": None},
    ),
    "deliveries": (
        "deliveries.html",
        "/console/deliveries",
        {"deliveries": DELIVERIES, "before": "", "dead_letters": "99+"},
    ),
    "dead-letters": ("dead_letters.html", "/console/deliveries/dead-letters", {"letters": LETTERS}),
    "dead-letters-none": (
        "dead_letters.html",
        "/console/deliveries/dead-letters",
        {"letters": models.DeadLetterList((), ())},
    ),
    "dead-letter": (
        "dead_letter.html",
        "/console/deliveries/dead-letters/dead_1",
        {"letter": LETTERS.letters[0], "tries": TRIES},
    ),
    "delivery": ("delivery.html", "/console/deliveries/m", {"message": MESSAGE}),
    "campaigns": ("campaigns.html", "/console/campaigns", {"campaigns": CAMPAIGNS}),
    "campaign": ("campaign.html", "/console/campaigns/cmp_1", {"campaign": CAMPAIGN}),
    "campaign-dry": ("campaign_dry_run.html", "/console/campaigns/cmp_1", {"dry": DRY}),
    "campaign-form": ("campaign_form.html", "/console/campaigns/new", {"form": FORM}),
    "recommendations": (
        "recommendations.html",
        "/console/recommendations",
        {"recommendations": RECOMMENDATIONS, "about": recommending_made_up.USER},
    ),
    "recommender-quality": (
        "recommender_quality.html",
        "/console/recommendations",
        {"about": recommending_made_up.QUALITY},
    ),
    "recommender-results": (
        "recommender_results.html",
        "/console/recommendations",
        {"about": recommending_made_up.RESULTS},
    ),
    "plugins": ("plugins.html", "/console/plugins", {"plugins": PLUGINS}),
    "settings": ("settings_values.html", "/console/settings", {"groups": SETTINGS}),
    "keys": (
        "settings_keys.html",
        "/console/settings/keys",
        {
            "keys": KEYS,
            "issued": "sk_J8r3NzP0exampleexampleexampleexample",
            "problem": "",
            "scopes": [
                ("messages:write", "Send and cancel messages"),
                ("events:write", "Report what users did"),
                ("*", "Everything"),
            ],
        },
    ),
    "people": (
        "settings_people.html",
        "/console/settings/people",
        {"people": PEOPLE, "roles": [r.value for r in Role], "problem": "", "typed": {}},
    ),
    "templates": ("settings_templates.html", "/console/settings/templates", {"templates": TEMPLATES}),
    "template": ("settings_template.html", "/console/settings/templates/order_paid", {"template": TEMPLATE}),
    "knowledge": (
        "settings_knowledge.html",
        "/console/settings/knowledge",
        {
            "articles": [(article, True, ("signed_in",)) for article in ARTICLES],
            "synonyms": "postage, shipping",
            "waiting": 2,
        },
    ),
    "article": (
        "settings_article.html",
        "/console/settings/knowledge/edit",
        {"typed": {"id": "a1", "known": "a1", "title": "Shipping"}, "problem": "it has no text"},
    ),
    "candidates": (
        "settings_candidates.html",
        "/console/settings/candidates",
        {"candidates": CANDIDATES, "articles": [("a1", "Shipping times and costs")]},
    ),
    "teams": (
        "settings_teams.html",
        "/console/settings/teams",
        {
            "teams": TEAMS,
            "agents": AGENTS,
            "typed": {},
            "problem": "",
            "days": ("mon", "tue"),
            "ways": ["manual", "round_robin"],
        },
    ),
    "canned": (
        "settings_canned.html",
        "/console/settings/canned",
        {
            "answers": [CannedAnswer("hello", {"en": "Hello {{ user.name }}", "ar": "مرحبا"}, 4)],
            "typed": {},
            "problem": "",
            "locales": ["en", "zh-CN", "ar"],
        },
    ),
    "account": ("account.html", "/console/account", {"problem": "The current password is wrong."}),
    "service": (
        "overview_service.html",
        "/console",
        {"numbers": SERVICE, "report": REPORT, "span": "week", "spans": ["week", "month"]},
    ),
    "tried": ("settings_tried.html", "/console/settings/knowledge", {"tried": TRIED}),
    "preview": (
        "settings_preview.html",
        "/console/settings",
        {"preview": models.PreviewText("Thank you", "We have it.")},
    ),
    "signin": (
        "signin.html",
        "/console/sign-in",
        {"email": "grace@shop.example", "problem": "Email or password is wrong.", "next": "/console"},
    ),
    "error": ("error.html", "/console/x", {"status_code": 404, "message": "no message msg_x"}),
}
