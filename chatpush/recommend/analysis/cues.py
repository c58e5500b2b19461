"""Words that give a short text away, in English and Chinese, beside what the classifier learns by itself."""

import re

CUES = {
    "first_person": r"\b(?:i|i'm|i've|i'd|my|me|mine)\b|我(?!们)|给我|帮我",
    "asks": r"[?？]|吗|怎么|什么|哪|几点|能不能|可以.*吗",
    "our": r"\b(?:our|us|we'll|we've|we)\b|我们",
    "yours": (
        r"\byour\s+(?:\w+\s+)?(?:order|parcel|payment|booking|account|refund|return|card|invoice"
        r"|application|delivery|appointment|subscription|plan|password|email|ticket|flight|seat"
        r"|receipt|claim|statement|data|item|purchase|transfer|request|prescription|contract|document"
        r"|trial|driver|rider|class)s?\b|(?:您|你)的(?:[一-鿿]{0,4})(?:订单|包裹|付款|退款|账户|账号"
        r"|预约|预订|会员|套餐|密码|邮箱|快递|申请|发票|账单|航班|座位|理赔|合同|退货|卡|余额)"
        r"|订单\s*\d*"
    ),
    "done": (
        r"\b(?:has|have|was|were|is|are)\s+(?:now\s+|been\s+|being\s+)*(?:\w+ed|sent|paid|left|ready"
        r"|confirmed|available|complete)\b|已(?:经)?[一-鿿]|成功|正在"
    ),
    "sorry": (
        r"\b(?:sorry|unfortunately|sadly|apologi[sz]e|could\s+not|couldn't|failed|declined|cancelled"
        r"|delayed)\b|抱歉|遗憾|失败|未通过|取消|延迟"
    ),
    "buy": (
        r"\b(?:shop|buy|discover|try|treat|enjoy|grab|win|gifts?|new\s+in|arrivals?|collection|offers?"
        r"|deals?|sale|favou?rites?|picks?|picked\s+for|handpicked|love|loving|trending|inspired|join"
        r"|upgrade|premium|points|rewards?|voucher|bargain|exclusive(?:ly)?|members?|switch|start|earn"
        r"|save|fares?|special|taste|ideas|webinar|newsletter|celebrate|prize)\b|新品|上新|上架|精选"
        r"|好物|推荐|优惠|礼|会员|抢|折|立减|红包|特价|好价|大促|狂欢|畅享|尝鲜|猜你|快来|看看|逛|囤"
        r"|升级|元起|返现|开启|专享|专属|满\d*元|包邮|免运费|惊喜|领取|积分兑|首播|爱上|喜欢"
    ),
    "hurry": (
        r"\b(?:only\s+today|last\s+chance|hurry|don'?t\s+(?:wait|miss)|ends?|tonight|midnight"
        r"|hours?\s+only|countdown|final)\b|仅限|最后|截止|限时|倒计时|别错过|手慢|即止|售完"
    ),
    "settled": (
        r"\byour\s+(?:order|parcel|payment|booking|refund|return|invoice|appointment|subscription|plan"
        r"|rider|driver|password|receipt|claim|flight|ticket)\b[^.!?]{0,40}\b(?:has|have|was|were|is"
        r"|are|will|left|picked\s+up)\b|(?:您|你)的(?:订单|包裹|付款|退款|账户|账号|预约|预订|会员"
        r"|套餐|快递|申请|账单|航班|理赔|退货)[^。！？]{0,12}(?:已|将|正在)|订单[^。！？]{0,12}(?:已"
        r"|将)"
    ),
    "danger": (
        r"\b(?:warning|alert|alarm|emergency|critical|detected|blocked|locked|unusual|suspicious|fraud"
        r"|severe|down|outage|failed|leak|smoke|fire|wildfire|flood|earthquake|recall|intrusion|breach"
        r"|power\s+cut|interrupted|expires|offline|lost\s+its)\b|预警|警报|报警|告警|异常|检测到|冻结"
        r"|锁定|宕机|失败|泄露|漏水|烟雾|地震|洪水|停电|中断|故障|风险|严重|召回|避险|断开|超限|入侵"
        r"|境外"
    ),
    "level": (
        r"\b(?:above|below|under|over|crossed|reached|fell|rose|exceeded|percent|limit|target|level"
        r"|usage|budget|rate|latency|temperature|battery|usual|normal|maintenance|restored|expected"
        r"|closed|finished|build|version|deployment|traffic|rain)\b|超过|低于|突破|上涨|下跌|跌破|达到"
        r"|已到|使用率|百分之|余额|电量|温度|流量|预算|维护|恢复|停水|停课|降雨|部署|构建|拥堵|浓度|倍"
    ),
    "anger": (
        r"\b(?:terrible|worst|rude|annoy\w*|angry|fed\s+up|ridiculous|disappoint\w*|scam|poor|broken"
        r"|wrong|never|nobody|not\s+happy|lost|twice|crash\w*|cold|late|stop)\b|太差|失望|受够|离谱|烦"
        r"|气人|恶劣|骗|差|碎|坏|闪退|没人|不满|发错|丢了|凉了"
    ),
    "joy": (
        r"\b(?:thank\w*|thanks|love|great|perfect|awesome|fantastic|happy|impressed|delighted"
        r"|wonderful|lovely|best|helpful|cheers|well\s+done|good\s+news|congratulations|welcome|adore"
        r"|star)\b|谢|感谢|满意|喜欢|完美|太棒|点赞|好消息|恭喜|开心|惊喜|漂亮|欢迎|厉害|愉快|不错"
        r"|好用"
    ),
    "now": (
        r"\b(?:now|immediately|urgent|asap|at\s+once|right\s+now|today|as\s+soon\s+as|emergency|within"
        r"|before\s+noon|minutes)\b|马上|立即|立刻|赶紧|尽快|紧急|急！|今天必须|请勿|分钟内|快帮"
    ),
    "code": r"\b(?:code|password|passcode|otp|verification)\b|验证码|密码|取件码|校验",
    "number": r"\d",
    "bang": r"[!！]",
}  # fmt: skip
PATTERNS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in CUES.items()}


def cues(text: str) -> list[str]:
    """Return the names of the cues in a text."""
    return [name for name, pattern in PATTERNS.items() if pattern.search(text)]
