"""Knowledge: articles to write and try, words that mean the same, and questions people answered."""

from aiohttp import web

from chatpush.domain import DEFAULT_LOCALE, Role
from chatpush.errors import ChatpushError
from chatpush.settings import Settings
from chatpush.support.knowledge.articles import Article
from chatpush.support.knowledge.candidates import Candidate, Candidates
from chatpush.support.knowledge.knowledge import MAX_ID, Knowledge
from chatpush.support.knowledge.reading import Draft
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.web.console import models
from chatpush.web.console.pages import Pages, Visit
from chatpush.web.http.doors import Door

pages = Pages()
LOOK = Door(role=Role.VIEWER)
EDIT = Door(role=Role.EDITOR)
KNOWLEDGE, CANDIDATES = "/console/settings/knowledge", "/console/settings/candidates"
MOST = 500
PASSAGES = 3
LONGEST_QUESTION = 500
SHOWN_CANDIDATES = 50


@pages.get(KNOWLEDGE, door=LOOK)
async def knowledge_page(visit: Visit) -> web.StreamResponse:
    """Show the articles of the knowledge base."""
    knowledge = visit.need(Knowledge)
    found = await knowledge.page(visit.tenant, MOST)
    today = knowledge.today()
    return visit.draw(
        "settings_knowledge.html",
        articles=[(_article(article), article.is_valid(today), article.audience) for article in found],
        synonyms="\n".join(await knowledge.synonyms(visit.tenant)),
        waiting=len(await visit.need(Candidates).page(visit.tenant, "proposed", SHOWN_CANDIDATES)),
    )


@pages.get(KNOWLEDGE + "/try", door=LOOK)
async def try_question(visit: Visit) -> web.StreamResponse:
    """Show which passages answer a question and what the assistant would do."""
    question = visit.query("question").strip()[:LONGEST_QUESTION]
    language = "zh" if any("\u4e00" <= letter <= "\u9fff" for letter in question) else "en"
    reader = frozenset(word for word in visit.query("reader").split() if word)
    found = await visit.need(Retrieval).search(visit.tenant, question, language, PASSAGES, reader)
    settings = (visit.find(Settings) or Settings()).support
    decision = "handover"
    if found.passages and found.confidence >= settings.confidence:
        decision = "answer"
    elif found.passages and found.confidence >= settings.clarify_confidence:
        decision = "clarify"
    best = max((passage.score for passage in found.passages), default=1.0) or 1.0
    passages = tuple(
        models.FoundPassage(
            passage.name, passage.text[:400], found.confidence * passage.score / best, passage.url
        )
        for passage in found.passages
    )
    tried = models.TriedQuestion(question, decision, found.confidence, passages)
    return visit.draw("settings_tried.html", tried=tried)


@pages.get(KNOWLEDGE + "/edit", door=EDIT)
async def edit_page(visit: Visit) -> web.StreamResponse:
    """Show an article to change, or an empty one."""
    article = visit.query("id")
    draft = await visit.need(Knowledge).draft(visit.tenant, article) if article else None
    return _form(visit, _typed(draft) if draft else {"language": visit.shell.language.partition("-")[0]})


@pages.post(KNOWLEDGE + "/edit", door=EDIT)
async def save(visit: Visit) -> web.StreamResponse:
    """Keep an article."""
    form = visit.form
    draft = Draft(
        id=form.get("id", "").strip()[: MAX_ID + 1],
        title=form.get("title", "").strip(),
        text=form.get("text", "").replace("\r\n", "\n"),
        language=form.get("language", "").strip() or DEFAULT_LOCALE,
        url=form.get("url", "").strip(),
        tags=_words(form.get("tags", "")),
        questions=tuple(line.strip() for line in form.get("questions", "").splitlines() if line.strip()),
        valid_from=form.get("valid_from", ""),
        valid_until=form.get("valid_until", ""),
        audience=_words(form.get("audience", "")),
    )
    try:
        await visit.need(Knowledge).put(visit.tenant, [draft])
    except ChatpushError as error:
        return _form(visit, dict(form), error.message)
    return visit.go(KNOWLEDGE)


@pages.post(KNOWLEDGE + "/delete", door=EDIT)
async def delete(visit: Visit) -> web.StreamResponse:
    """Forget an article."""
    await visit.need(Knowledge).delete(visit.tenant, visit.form.get("id", ""))
    return visit.go(KNOWLEDGE)


@pages.post(KNOWLEDGE + "/synonyms", door=EDIT)
async def save_synonyms(visit: Visit) -> web.StreamResponse:
    """Keep the groups of words that mean the same."""
    groups = [line.strip() for line in visit.form.get("groups", "").splitlines() if line.strip()]
    await visit.need(Knowledge).put_synonyms(visit.tenant, groups)
    return visit.go(KNOWLEDGE)


@pages.get(CANDIDATES, door=LOOK)
async def candidates_page(visit: Visit) -> web.StreamResponse:
    """Show questions people answered, that wait for a yes."""
    candidates = visit.need(Candidates)
    if visit.shell.may(Role.EDITOR):
        await candidates.look(visit.tenant)
    found = await candidates.page(visit.tenant, "proposed", SHOWN_CANDIDATES)
    articles = await visit.need(Knowledge).page(visit.tenant, MOST)
    titles = {article.id: article.title for article in articles}
    return visit.draw(
        "settings_candidates.html",
        candidates=[_candidate(one, titles) for one in found],
        articles=sorted(titles.items(), key=lambda item: item[1]),
    )


@pages.post(CANDIDATES + "/{id}/approve", door=EDIT)
async def approve(visit: Visit) -> web.StreamResponse:
    """Let the assistant learn a question, in the wording and for the article chosen."""
    await visit.need(Candidates).approve(
        visit.tenant, visit.path["id"], visit.identity.subject, article=visit.form.get("article", ""),
        question=visit.form.get("question", "").strip(),
    )  # fmt: skip
    return visit.go(CANDIDATES)


@pages.post(CANDIDATES + "/{id}/reject", door=EDIT)
async def reject(visit: Visit) -> web.StreamResponse:
    """Put a question away for good."""
    await visit.need(Candidates).reject(visit.tenant, visit.path["id"], visit.identity.subject)
    return visit.go(CANDIDATES)


def _form(visit: Visit, typed: dict[str, str], problem: str = "") -> web.Response:
    return visit.draw("settings_article.html", status=422 if problem else 200, typed=typed, problem=problem)


def _typed(draft: Draft) -> dict[str, str]:
    return {
        "id": draft.id, "title": draft.title, "text": draft.text, "language": draft.language, "url": draft.url,
        "tags": ", ".join(draft.tags), "questions": "\n".join(draft.questions), "known": draft.id,
        "valid_from": draft.valid_from, "valid_until": draft.valid_until, "audience": ", ".join(draft.audience),
    }  # fmt: skip


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.replace("，", ",").split(",") if word.strip())


def _article(article: Article) -> models.ArticleLine:
    return models.ArticleLine(
        article.id, article.title, article.language, article.url, article.chunks, article.updated_at
    )  # fmt: skip


def _candidate(candidate: Candidate, titles: dict[str, str]) -> models.CandidateLine:
    return models.CandidateLine(
        candidate.id, candidate.question, candidate.reply, candidate.article,
        titles.get(candidate.article, candidate.article), candidate.conversation, candidate.proposed_at,
    )  # fmt: skip
