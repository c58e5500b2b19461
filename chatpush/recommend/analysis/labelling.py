"""Take a message for marketing if its words are, whatever its label says.

Overruling a label costs an order's news its way if it is wrong. So three things
have to come together: words that pitch (an invitation to buy, a discount, a
prize), a classifier that is sure, and no sign of something settled between the
business and this reader. Words that only belong to trade (sale, points, gift
card, offer) pitch nothing: half of a shop's receipts have them.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Sequence

from chatpush.domain import Category
from chatpush.recommend.analysis.analysis import CODE, MARKETING, Analysis, analysed, classifier, plain

SURE = 0.75
REMEMBERED = 4096
PITCH = re.compile(
    # An invitation: the sentence begins with what the reader is to do.
    r"(?:^|[.!?:;–—\n]\s*|,\s*(?:and\s+)?)(?:shop|buy|grab|discover|explore|treat\s+your|stock\s+up|hurry|don'?t\s+miss"
    r"|join|enjoy|unlock|spin|win|spend|invite\s+a|meet\s+the|try\s+(?:our|the|it)|get\s+(?:your|yours|\d|the|our|up)"
    r"|upgrade\s+to|switch\s+(?:to|your)|open\s+an?|borrow|invest\s+in|celebrate|start\s+(?:now|earning|saving|trading)"
    r"|book\s+(?:your|now)|apply\s+now|order\s+(?:yours|now)|save\s+(?:up|big|\d|[£$€]))\b"
    r"|\b(?:shop|buy|order|book|apply|start|get\s+yours)\s+(?:now|today)\b"
    # A price that is to tempt.
    r"|\d\s?%\s*off\b|\bpercent\s+off\b|[£$€]\s?\d+\s+off\s+(?:your\s+next|when|everything|all)|\bhalf[- ]price\b"
    r"|\b(?:up\s+to|save)\s+(?:[£$€]\s?)?\d+\s?%|\bfree\s+(?:shipping|delivery|gift)\s+(?:on|over|with|when|for)\b"
    r"|\bbuy\s+one,?\s+get\s+one\b|\b(?:2|two)\s+for\s+(?:1|one|the)\b|\b(?:fares|prices|deals)\s+(?:from|up)\b"
    r"|\b(?:double|triple|extra)\s+points\b|\byou\s+both\s+get\b|\bflash\s+sale\b|\b(?:winter|summer|spring|autumn|our)\s+sale\b"
    # Haste, news and picks.
    r"|\blast\s+chance\b|\btonight\s+only\b|\bonly\s+today\b|\blimited[- ]time\b|\bselling\s+fast\b"
    r"|\bbefore\s+(?:they'?re|it'?s)\s+gone\b"
    r"|\b(?:new\s+arrivals?|new\s+collection)\s+(?:are|is|just|have)\b|\bjust\s+(?:landed|dropped)\b|\bgift\s+ideas\b"
    r"|\byou(?:'ll|\s+will|\s+might)\s+love\b|\b(?:picked|recommended|handpicked)\b[^.!?]{0,12}\bfor\s+you\b|\bwe\s+miss\s+you\b"
    r"|\bmembers\s+get\b|\bfree\s+for\s+a\s+month\b|\bprices\s+(?:drop|won'?t\s+last)\b|\bwhile\s+(?:stocks|supplies)\s+last\b"
    r"|\bclearance\s+is\s+on\b|\bdon'?t\s+wait\b|\bhours?\s+to\s+save\b|\b(?:cyber\s+monday|black\s+friday)(?::|\s+(?:starts|is\s+here))"
    r"|\b(?:download|follow|see)\s+(?:our|us|how\s+others)\b|\b(?:enter|win)\s+(?:our|a|an|up)\b|\brefer\s+a\b|\bstart\s+investing\b"
    r"|\bget\s+(?:a\s+credit\s+card|fit\s+with)\b|\bearn\s+more\b|\btop\s+picks\b|\bbest\s+sellers\s+are\b|\bnew\s+arrivals\s+for\b"
    r"|\bupgrade\s+your\s+plan\s+today\b|\bspecial\s+treat\b|\b(?:come\s+and\s+look|see\s+our\s+list)\b|\bunbeatable\b|\bbiggest\s+deals\b"
    # 中文：邀请、价格、紧迫、上新与推荐
    r"|快来|马上(?:抢|订|开户|下单|购)|立即(?:购买|抢|下单|选购|领取|开通|申请|存入|开户|体验)|开抢|抢购|速抢|手慢|别错过|不容错过"
    r"|秒杀|闪购|全场|[一二三四五六七八九]{1,2}折|\d(?:\.\d)?折|满\d+元?(?:减|送|包邮|免)|立减|立省|低至|特价|半价|买一送一|买\d送\d"
    r"|大促(?:开|来|狂)|上新|新品(?:上|首|到|来|发)|猜(?:你|您)喜欢|为(?:你|您)(?:推荐|精选|挑选)|好物|囤|尝鲜|免费试用|送(?:您|你)\d"
    r"|降价啦|整点降价|等(?:你|您)(?:来|带|挑|拿)|快去使用|待使用|售完|清仓|限量款|倒计时[一-鿿\d]+天|看看(?:我们|大家)|一起来|加入会员|升级会员"
    r"|领(?:取新人|红包)|好价|赢(?:[一-鿿]{2,6})游|开启(?:你|您)的|办(?:信用卡|卡免)|畅享|返场|捡漏|下次光临|别等了|最后机会|好礼|得代金券|抢先看"
    r"|专享|元起|抽奖|最高(?:赢|可借|返|领)|双倍积分|各得\d|开户即|火热|一定喜欢",
    re.IGNORECASE,
)
SETTLED = re.compile(
    r"\b(?:your|the)\s+(?:[\w'’-]+\s+){0,6}(?:order|booking|purchase|parcel|tickets?|refund|return|invoice|quote|claim"
    r"|account|card|voucher|points|prize|upgrade|subscription|trial|event|payment)\b[^.!?]{0,60}\b(?:has|have|was|were|is|are"
    r"|will|can|expires?|renews?|starts?|leaves?|failed|confirmed|credited|attached|declined|approved|received|placed)\b"
    r"|\border\s+#?\d|\bas\s+(?:agreed|requested|usual)\b|\b(?:you|we)\s+(?:were|have\s+been|are|will)\s+(?:charged|refunded|unsubscribed|no\s+longer)\b"
    r"|\b(?:bought|sold)\s+\d|\b(?:credited|refunded|booked\s+into|redeemed|registered)\b"
    r"|(?:订单|单号|合同|凭证|报价单)\s*[A-Z]*\d|已(?:退|用|入账|到账|发出|寄出|生效|确认|扣|开|支付|成交|续|抵扣|打款|完成|取消|收到|通过|暂停|读|合并|放入)"
    r"|(?:您|你)(?:订购|购买|兑换|报名|预订|申领|抽中|发布|保存|送出|发出)的|未成功|失败|退货|退款|不会再|配股|要约|到期",
    re.IGNORECASE,
)
"""What has happened between the business and this reader is news, even where it speaks of sales."""
ASKED_FOR = re.compile(
    r"\b(?:as\s+)?you\s+(?:asked|wanted|told)\s+(?:us|me|for|to)\b|\bas\s+you\s+asked\b|\byou\s+(?:set|subscribed)\b"
    r"|(?:您|你)(?:关注|订阅|设置|预约|要求)|按(?:您|你)的(?:设置|要求)",
    re.IGNORECASE,
)
"""What readers asked to be told is news to them, even where it sells."""


class Labelling:
    """Judges messages' categories; remembers texts, numbers aside, because most are sent many times."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, bool] = OrderedDict()

    async def start(self) -> None:
        """Learn the labelled lines aside, so that no first message waits for it, and the loop for none."""
        await asyncio.to_thread(classifier)

    def judge(self, given: Category, texts: Sequence[str]) -> Category:
        """Return the category to treat a message as; ``texts``: what it may say, one for each language."""
        if given is Category.MARKETING:
            return given
        return Category.MARKETING if any(self._sells(text) for text in texts) else given

    def _sells(self, text: str) -> bool:
        if not suspicious(text):
            return False
        key = plain(text)
        if key not in self._known:
            self._known[key] = sells(text, analysed(text))
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return self._known[key]


def suspicious(text: str) -> bool:
    """Return whether a text has words that pitch."""
    return bool(PITCH.search(text))


def sells(text: str, found: Analysis) -> bool:
    """Return whether a text surely is marketing."""
    news = SETTLED.search(text) or CODE.search(text) or ASKED_FOR.search(text)
    return suspicious(text) and not news and found.chances[MARKETING] >= SURE
