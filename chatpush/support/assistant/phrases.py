"""What the assistant says of itself, and how it understands a plain yes or no.

English and Chinese; another language falls back to English. Product texts that
belong to a tenant (knowledge, tool answers, greetings) are not here.
"""

import re
from typing import Any

from chatpush.support.retrieval.language import base, pick

WORDS: dict[str, dict[str, str]] = {
    "greeting": {
        "en": "Hello! I'm {name}. Ask me about orders, deliveries, returns or anything else.",
        "zh": "您好！我是{name}。订单、物流、退换货，有问题都可以问我。",
    },
    "greeting_item": {
        "en": "You're looking at **{title}**{price}.{reason} What would you like to know about it?",
        "zh": "您正在看 **{title}**{price}。{reason}想了解些什么？",
    },
    "greeting_delivery": {
        "en": "About “{title}”: how can I help?",
        "zh": "关于“{title}”，有什么可以帮您？",
    },
    "because": {"en": " {reason}.", "zh": "{reason}。"},
    "hello": {"en": "Hello! How can I help you?", "zh": "您好！有什么可以帮您？"},
    "thanks": {"en": "You're welcome! Is there anything else?", "zh": "不客气！还有什么可以帮您？"},
    "bye": {"en": "Goodbye, and have a good day!", "zh": "再见，祝您愉快！"},
    "who": {
        "en": "I'm {name}, an automatic assistant. I can look things up for you, answer from our help pages, "
        "tell you when something happens, and fetch a colleague when you want a person.",
        "zh": "我是{name}，自动客服助手。我可以帮您查询、依据帮助文档回答问题、在有新进展时通知您，"
        "需要时也会请人工客服接待。",
    },
    "fine": {"en": "All right. Is there anything else?", "zh": "好的。还有什么可以帮您？"},
    "sign_in": {
        "en": "Please sign in first, so that I can look into your account. I can't do that by a name or a number "
        "written in the chat.",
        "zh": "请先登录，我才能查看您的账户信息。仅凭聊天里写的姓名或号码，我无法查询。",
    },
    "ask_slot": {"en": "To look that up I need this: {label}", "zh": "为了帮您查询，请告诉我：{label}"},
    "no_such": {
        "en": "I can't find that in your account. Please check it, or ask for a person.",
        "zh": "在您的账户里没有找到。请核对一下，或者转人工客服。",
    },
    "tool_failed": {
        "en": "I can't look that up right now. A colleague will help you.",
        "zh": "暂时无法查询，我请同事来帮您。",
    },
    "clarify": {
        "en": "I'm not sure I understood. Is it one of these?",
        "zh": "我不太确定您的意思，是下面哪一个？",
    },
    "hand_over": {
        "en": "I don't have a reliable answer to that, so I'm handing you over to a colleague, who will answer here.",
        "zh": "这个问题我没有可靠的答案，已为您转接人工客服，同事会在这里回复您。",
    },
    "hand_over_asked": {
        "en": "I'm handing you over to a colleague, who will answer here.",
        "zh": "正在为您转接人工客服，同事会在这里回复您。",
    },
    "agent_joined": {"en": "{name} has joined the conversation.", "zh": "{name} 已接入会话。"},
    "released": {
        "en": "You're talking to the assistant again.",
        "zh": "已转回智能助手为您服务。",
    },
    "closed": {
        "en": "This conversation has been closed. Write again at any time.",
        "zh": "会话已结束，您可以随时再次留言。",
    },
    "price": {"en": "**{title}** costs {price}.", "zh": "**{title}** 的价格是 {price}。"},
    "no_price": {
        "en": "I have no price of **{title}**. A colleague can tell you: just ask for a person.",
        "zh": "暂时没有 **{title}** 的价格信息，可以转人工客服为您确认。",
    },
    "which": {"en": "Which item do you mean? Tell me its name.", "zh": "您指的是哪件商品？请告诉我名称。"},
    "which_shown": {"en": "Which of these do you mean?", "zh": "您指的是哪一件？"},
    "which_after": {
        "en": "The message “{title}” said: “{text}” It doesn't name an item with a price. Which item do you mean?",
        "zh": "“{title}”这条消息的内容是：“{text}”，其中没有标明价格的商品。您指的是哪件商品？",
    },
    "promised": {"en": "I've noted it: {text}", "zh": "已记下：{text}"},
    "promised_already": {"en": "I have that noted already: {text}", "zh": "之前已经记下了：{text}"},
    "promise_plain": {
        "en": "I'll tell you here as soon as there is news.",
        "zh": "一有消息，我就在这里告诉您。",
    },
    "promise_expired": {
        "en": "I promised to tell you here when there is news, but nothing has come until today, so I'm no longer "
        "watching for it. ({text})",
        "zh": "我答应过有消息就通知您，但到今天为止仍没有消息，因此不再继续关注。（{text}）",
    },
    "notice_title": {"en": "News on what you asked", "zh": "您关注的事有了新进展"},
    "stopped": {"en": "(stopped)", "zh": "（已停止）"},
    "yes_label": {"en": "Yes, tell me", "zh": "好的，告诉我"},
    "no_label": {"en": "No, thanks", "zh": "不用了"},
    "person_label": {"en": "Talk to a person", "zh": "转人工客服"},
    "person_value": {"en": "Talk to a person", "zh": "转人工"},
    "none_label": {"en": "Something else", "zh": "都不是"},
    "colleague": {"en": "A colleague said", "zh": "人工客服说"},
    "summary_asked": {"en": "Asked", "zh": "用户问"},
    "summary_answered": {"en": "Assistant answered", "zh": "助手答"},
    "summary_reason": {"en": "Handed over because", "zh": "转接原因"},
    "summary_promises": {"en": "Open promises", "zh": "未完成的承诺"},
    "reason_asked": {"en": "the customer asked for a person", "zh": "用户要求人工"},
    "reason_unsure": {"en": "the assistant had no reliable answer", "zh": "助手没有可靠答案"},
    "merged": {
        "en": "Another conversation of yours goes on here.",
        "zh": "您的另一个会话已合并到这里。",
    },
    "left_message": {
        "en": "Thank you! We're closed right now. We'll answer here and write to {email}.",
        "zh": "感谢您的留言！现在是非工作时间，我们会在这里回复，并发送邮件至 {email}。",
    },
    "requeued": {
        "en": "{name} had to leave. Another colleague will take over.",
        "zh": "{name} 暂时离开，将由其他同事继续为您服务。",
    },
    "transcript_subject": {"en": "Your conversation with us", "zh": "您与我们的会话记录"},
    "answer_subject": {"en": "An answer to your message", "zh": "关于您留言的回复"},
    "you": {"en": "You", "zh": "您"},
    "reason_failed": {"en": "a lookup failed", "zh": "查询失败"},
    "reason_flagged": {"en": "the message was flagged by moderation", "zh": "消息被内容审核标记"},
    "confirm": {
        "en": "Please confirm: {what}{arguments}. Shall I do that?",
        "zh": "请确认：{what}{arguments}。要我办理吗？",
    },
    "wish_stop": {
        "en": "Shall I stop all promotions to you? News of your orders still comes.",
        "zh": "要停止向您发送所有促销信息吗？订单通知仍会照常发送。",
    },
    "wish_stop_done": {
        "en": "Done: no more promotions. You can change that in your preferences at any time.",
        "zh": "已停止发送促销信息，您可以随时在偏好设置里更改。",
    },
    "wish_fewer": {
        "en": "Shall I send you at most one promotion a day?",
        "zh": "要改为每天最多给您发一条促销信息吗？",
    },
    "wish_fewer_done": {
        "en": "Done: at most one promotion a day from now on.",
        "zh": "好的，今后每天最多发一条促销信息。",
    },
    "wish_brand": {
        "en": "Shall I stop recommending {name} to you?",
        "zh": "要不再给您推荐{name}这个牌子吗？",
    },
    "wish_brand_done": {
        "en": "Done: I won't recommend {name} again.",
        "zh": "好的，不会再给您推荐{name}了。",
    },
    "wish_item": {
        "en": "Shall I stop showing you “{name}”?",
        "zh": "要不再给您推荐“{name}”吗？",
    },
    "wish_item_done": {
        "en": "Done: I won't show you “{name}” again.",
        "zh": "好的，不会再给您推荐“{name}”了。",
    },
    "wish_undone": {"en": "All right, that is taken back.", "zh": "好的，已撤销。"},
    "undo_label": {"en": "Undo", "zh": "撤销"},
    "reason_complaint": {"en": "the customer complains", "zh": "用户投诉"},
    "hand_over_sorry": {
        "en": "I'm sorry about that. I'm fetching a colleague, who will answer here.",
        "zh": "非常抱歉给您带来不好的体验，已为您转接人工客服，同事会在这里回复您。",
    },
    "do_label": {"en": "Go ahead", "zh": "可以"},
    "not_done": {"en": "All right, I leave it as it is.", "zh": "好的，不做任何更改。"},
}  # fmt: skip

_TRAIL = r"[\s\.,!?~。，！？～、…]*"
_YES = re.compile(
    r"(yes|yeah|yep|yup|sure|ok(ay)?|please( do)?|yes,? please( do)?|yes,? tell me|of course|absolutely|"
    r"sounds good|that would be (great|nice|good)|go ahead|do (it|that)|tell me|"
    r"是|是的|对|对的|好|好的|好呀|好啊|好吧|嗯|嗯嗯|行|可以|可以的|要|要的|需要|当然|没问题|麻烦(你|您)?了?|"
    r"好的?[,，\s]*(谢谢|麻烦了|请?(告诉|通知|提醒)我)|请?(通知|告诉|提醒)我)" + _TRAIL,
    re.IGNORECASE,
)
_NO = re.compile(
    r"(no|nope|nah|no,? thanks?( you)?|not now|never ?mind|don'?t|no need|not necessary|"
    r"不|不用|不用了|不要|不需要|不必|不必了|算了|没事|没必要|先不用|不了|否|"
    r"(不用|不需要|不)[了啦]?[,，\s]*谢谢(你|您)?)" + _TRAIL,
    re.IGNORECASE,
)
_NONE = re.compile(
    r"(something else|none( of (these|them))?|neither|都不是|其他|别的)" + _TRAIL, re.IGNORECASE
)
_PERSON = re.compile(
    r"\b(talk|speak|chat|connect|transfer|put)\b.{0,24}\b(person|human|agent|someone|somebody|representative|"
    r"operator|colleague|staff)\b|\b(real|live|actual) (person|human|agent)\b|^\s*(a )?(human|agent|person|"
    r"representative|operator)( please)?\W*$|\bcustomer service (agent|representative|person)\b|"
    r"转人工|人工客服|人工服务|真人|找人工|要人工|接人工|^\s*人工\W*$|找(个)?客服|转客服|(和|跟)(真)?人(说|聊|谈)",
    re.IGNORECASE,
)
_SMALL = {
    "hello": re.compile(
        r"((hi|hello|hey|good (morning|afternoon|evening|day))( there)?|"
        r"((hi|hello|hey)[,!]? )?((((are )?you|is (any|some)(one|body)) (still )?|any(one|body) )(there|here))|"
        r"(你好|您好)?[,，!！]?(还?在吗|还?在么|有人吗|有人在吗)|你好|您好|哈喽|嗨|早上好|"
        r"下午好|晚上好|早)" + _TRAIL, re.IGNORECASE),
    "thanks": re.compile(
        r"((many )?thanks?( you)?( (so|very) much| a lot)?|thx|ty|great,? thanks?( you)?|谢谢(你|您)?(了|啊)?|多谢|"
        r"感谢|好的?[,，\s]*谢谢(你|您)?)" + _TRAIL, re.IGNORECASE),
    "bye": re.compile(r"((good ?)?bye|see you( later)?|that'?s all|再见|拜拜|没有了|没别的了)" + _TRAIL, re.IGNORECASE),
    "who": re.compile(
        r"(who are you|what are you|are you (a )?(bot|robot|human|real|an? ai)|what can you do|你是谁|你是机器人吗|"
        r"你是真人吗|你能做什么|你会什么|你有什么功能)" + _TRAIL, re.IGNORECASE),
}  # fmt: skip


def words(name: str, locale: str, /, **values: Any) -> str:
    """Return a phrase in a language with its values filled in."""
    text = pick(WORDS[name], base(locale))
    return text.format(**values) if values else text


def is_yes(text: str) -> bool:
    """Return whether the whole text is a plain yes."""
    return bool(_YES.fullmatch(text.strip()))


def is_no(text: str) -> bool:
    """Return whether the whole text is a plain no."""
    return bool(_NO.fullmatch(text.strip()))


def is_none_of_these(text: str) -> bool:
    """Return whether the whole text says that no choice fits."""
    return bool(_NONE.fullmatch(text.strip())) or is_no(text)


def wants_person(text: str) -> bool:
    """Return whether the text asks for a human being."""
    return bool(_PERSON.search(text))


def small_talk(text: str) -> str:
    """Return which phrase answers a greeting or thanks; empty if it is neither."""
    for name, pattern in _SMALL.items():
        if pattern.fullmatch(text.strip()):
            return name
    return ""


def as_promise(offer: str, locale: str) -> str:
    """Return an offer ("Shall I tell you when …?") as the promise it becomes."""
    english = re.fullmatch(
        r"(?:shall|should|may|can|do you want me to|would you like me to)\s*(?:i\s+)?"
        r"(tell|let|notify|inform|remind|message)\s+you\s+(.+?)\s*\?", offer.strip(), re.IGNORECASE
    )  # fmt: skip
    if english:
        return f"I'll {english[1].lower()} you {english[2]}."
    asked = re.fullmatch(
        r"(.+?)[，,]?\s*(?:需不需要|是否需要|要不要|需要|要|可以)我?(告诉|通知|提醒)(您|你)(?:一下|一声)?(?:吗|么|呢)?[？?]",
        offer.strip(),
    )
    if asked:
        return f"{asked[1]}，我会{asked[2]}{asked[3]}。"
    chinese = re.fullmatch(
        r"(?:要不要|需不需要|是否需要|需要|要|可以)?我?(.+?)(?:吗|么|呢)?[？?]", offer.strip()
    )
    if chinese and re.search(r"告诉|通知|提醒", chinese[1]):
        return f"我会{chinese[1]}。"
    return words("promise_plain", locale)
