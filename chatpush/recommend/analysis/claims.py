"""Find claims that the law or honesty forbids, in English and Chinese.

``superlative``: absolute words, which article 9 of the Advertising Law of the
People's Republic of China forbids in advertising (国家级, 最佳, 第一 …), and their
English like. ``guaranteed_return``: promises of profit without risk, forbidden
for financial products (article 25 there; FCA COBS 4 in Britain). ``cure``:
promises to heal. ``price`` and ``scarcity`` are honest only if they are true,
so they are found apart: whoever writes must bring the facts.
"""

import re
from dataclasses import dataclass

SUPERLATIVE, RETURN, CURE, PRICE, SCARCITY = "superlative", "guaranteed_return", "cure", "price", "scarcity"
FORBIDDEN = (SUPERLATIVE, RETURN, CURE)
PATTERNS = {
    SUPERLATIVE: re.compile(
        r"(?:国家级|世界级|宇宙级|顶级|极品|极致|绝无仅有|独一无二|史无前例|万能|王牌|销量冠军"
        r"|领袖品牌|领导品牌"
        r"|全网第一|行业第一|中国第一|全球第一|世界第一|全国第一|第一品牌|排名第一|销量第一|NO\.?\s*1\b|唯一品牌"
        r"|最佳|最好|最优|最高级|最大|最强|最先进|最低价|最便宜|最低|最新科技|最受欢迎|最畅销|最具|最顶|最专业|最安全"
        r"|最(?!近|后|初|终|多|少|新(?!科技)|迟|晚|爱|长|短|早|快|小)[一-鿿]|百分之百|100%(?:有效|满意|正品)"
        r"|首选品牌|全网最|史上最)"
        r"|(?<!our )(?<!your )(?<!at )\b(?:(?:the\s+)?(?:very\s+)?best(?:-selling)?"
        r"(?!\s+(?:wishes|regards|time|hour|before))"
        r"|number\s+one|no\.?\s*1|#1|cheapest|lowest\s+prices?|world(?:'s)?[- ](?:leading|class|finest|first)"
        r"|unbeatable|unrivall?ed|unmatched|second\s+to\s+none|perfect\s+in\s+every|the\s+greatest|the\s+finest"
        r"|the\s+only\s+(?:one|brand|shop|choice))\b",
        re.IGNORECASE,
    ),
    RETURN: re.compile(
        r"(?:稳赚不赔|稳赚|保本|保收益|保证收益|无风险|零风险|包赚|只赚不赔|年化收益高达|必涨"
        r"|稳定高收益|躺赚|日赚|翻倍收益|本金无忧)"
        r"|\b(?:guaranteed?\s+(?:returns?|profits?|gains?|income|yield)"
        r"|(?:returns|profits?|gains?|income)\s+(?:is|are)?\s*guaranteed"
        r"|risk[- ]free|no[- ]risk|can'?t\s+lose|cannot\s+lose|never\s+lose\s+money"
        r"|double\s+your\s+(?:money|investment)"
        r"|sure\s+(?:win|profit|thing)|safe\s+profit|always\s+goes?\s+up|zero\s+risk)\b",
        re.IGNORECASE,
    ),
    CURE: re.compile(
        r"(?:根治|药到病除|包治百病|永不复发|治愈率|无副作用|无毒副作用|疗效最|抗癌|防癌|立竿见影|彻底治)"
        r"|\b(?:cures?\s+(?:cancer|diabetes|all|any)|miracle\s+cure|no\s+side\s+effects?|heals?\s+(?:all|any)|instantly\s+cures?)\b",
        re.IGNORECASE,
    ),
    PRICE: re.compile(
        r"(?:折扣|打折|[一二三四五六七八九十半0-9０-９]+折|优惠|特价|降价|促销|免费|包邮|赠送|买一送|立减|满减|半价|省钱|清仓|秒杀|红包|代金券)"
        r"|\b(?:discounts?|sale"
        r"|%\s*off|percent\s+off|off\s+today|half[- ]price|free(?!\s+to\b)|save|savings|bargain|deals?|coupon|voucher"
        r"|reduced|clearance|buy\s+one|cheap(?:er)?|for\s+less|promo(?:tion)?)\b",
        re.IGNORECASE,
    ),
    SCARCITY: re.compile(
        r"(?:仅剩|只剩|最后(?:一|几|\d)|售罄|抢购|限量|限时|即将结束|马上没|错过(?:不再|再等)|倒计时)"
        r"|\b(?:only\s+(?:a\s+few|\w+)\s+left|last\s+(?:one|chance|few|call)|selling\s+(?:out|fast)|almost\s+gone|while\s+(?:stocks?|supplies)\s+last"
        r"|limited\s+(?:time|stock|edition|offer)|ends\s+(?:today|tonight|soon|tomorrow)|hurry|before\s+(?:it'?s|they'?re)\s+gone)\b",
        re.IGNORECASE,
    ),
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim found: its kind, and the words."""

    kind: str
    words: str


def claims(text: str, kinds: tuple[str, ...] = FORBIDDEN) -> list[Claim]:
    """Return the claims of these kinds in a text, in their order."""
    found = [
        (match.start(), Claim(kind, match[0])) for kind in kinds for match in PATTERNS[kind].finditer(text)
    ]
    return [claim for _, claim in sorted(found, key=lambda one: one[0])]
