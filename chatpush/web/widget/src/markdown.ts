// Markdown into DOM nodes, never through innerHTML: a text can make paragraphs, lists,
// tables, code, emphasis and links, and nothing else. Images become links, so that an
// answer cannot make the reader's browser call somebody.
//
// update() redraws only the blocks that changed, so that a streamed answer does not flash.

import { h } from './dom';
import { safeUrl } from './format';

interface Block {
  kind: 'paragraph' | 'heading' | 'code' | 'quote' | 'list' | 'table' | 'rule';
  lines: string[];
}

const FENCE = /^\s{0,3}(```+|~~~+)/;
const RULE = /^\s{0,3}([-*_])(\s*\1){2,}\s*$/;
const HEADING = /^\s{0,3}#{1,6}\s+/;
const QUOTE = /^\s{0,3}>\s?/;
const ITEM = /^(\s*)([-*+•]|\d{1,4}[.)])\s+/;
const TABLE_RULE = /^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$/;
const MOST_DEPTH = 4;

export class Markdown {
  readonly element = h('div', { class: 'md', dir: 'auto' });
  private drawn: string[] = [];

  constructor(private base: string) {}

  update(text: string): void {
    const blocks = split(text);
    const signs = blocks.map((block) => `${block.kind}\n${block.lines.join('\n')}`);
    let same = 0;
    while (same < signs.length && signs[same] === this.drawn[same]) same += 1;
    while (this.element.childNodes.length > same) this.element.lastChild?.remove();
    for (const block of blocks.slice(same)) this.element.append(draw(block, this.base, 0));
    this.drawn = signs;
  }
}

function split(text: string): Block[] {
  const lines = text.replace(/\r\n?/g, '\n').split('\n');
  const blocks: Block[] = [];
  let at = 0;
  const takeWhile = (kind: Block['kind'], keep: (line: string) => boolean) => {
    const from = at;
    at += 1;
    while (at < lines.length && keep(lines[at])) at += 1;
    blocks.push({ kind, lines: lines.slice(from, at) });
  };
  while (at < lines.length) {
    const line = lines[at];
    const fence = FENCE.exec(line);
    if (!line.trim()) at += 1;
    else if (fence) {
      takeWhile('code', (next) => !next.trim().startsWith(fence[1]));
      at += 1;
    } else if (RULE.test(line)) takeWhile('rule', () => false);
    else if (HEADING.test(line)) takeWhile('heading', () => false);
    else if (QUOTE.test(line)) takeWhile('quote', (next) => QUOTE.test(next));
    else if (ITEM.test(line)) takeWhile('list', (next) => ITEM.test(next) || /^\s{2,}\S/.test(next));
    else if (line.includes('|') && TABLE_RULE.test(lines[at + 1] ?? '')) {
      takeWhile('table', (next) => next.includes('|'));
    } else takeWhile('paragraph', (next) => next.trim() !== '' && !starts(next));
  }
  return blocks;
}

function starts(line: string): boolean {
  return FENCE.test(line) || RULE.test(line) || HEADING.test(line) || QUOTE.test(line) || ITEM.test(line);
}

function draw({ kind, lines }: Block, base: string, depth: number): HTMLElement {
  switch (kind) {
    case 'rule':
      return h('hr');
    case 'heading':
      return h('p', { class: 'heading' }, inline(lines[0].replace(HEADING, '').replace(/\s#+\s*$/, ''), base));
    case 'code':
      return h('pre', { tabindex: 0 }, h('code', null, lines.slice(1).join('\n')));
    case 'quote': {
      const inner = split(lines.map((line) => line.replace(QUOTE, '')).join('\n'));
      return h('blockquote', null, depth < MOST_DEPTH ? inner.map((block) => draw(block, base, depth + 1)) : []);
    }
    case 'list':
      return list(lines, base, depth);
    case 'table':
      return table(lines, base);
    default:
      return h('p', null, broken(lines, base));
  }
}

// A single line break stays one: answers and Chinese texts are written that way.
function broken(lines: string[], base: string): Node[] {
  return lines.flatMap((line, index) => [...(index ? [h('br')] : []), ...inline(line.trim(), base)]);
}

function list(lines: string[], base: string, depth: number): HTMLElement {
  const first = ITEM.exec(lines[0]);
  const indent = first?.[1].length ?? 0;
  const number = parseInt(first?.[2] ?? '', 10);
  const element = Number.isNaN(number) ? h('ul') : h('ol', number === 1 ? null : { start: number });
  let at = 0;
  while (at < lines.length) {
    const own = [lines[at].replace(ITEM, '')];
    const nested: string[] = [];
    at += 1;
    while (at < lines.length) {
      const item = ITEM.exec(lines[at]);
      if (item && item[1].length <= indent + 1) break;
      (item || nested.length ? nested : own).push(lines[at]);
      at += 1;
    }
    const entry = h('li', null, broken(own, base));
    if (nested.length && depth < MOST_DEPTH) entry.append(...split(dedent(nested)).map((b) => draw(b, base, depth + 1)));
    element.append(entry);
  }
  return element;
}

function dedent(lines: string[]): string {
  const width = Math.min(...lines.filter((line) => line.trim()).map((line) => line.search(/\S/)));
  return lines.map((line) => line.slice(width)).join('\n');
}

function table(lines: string[], base: string): HTMLElement {
  const cells = (line: string) => line.trim().replace(/^\||\|$/g, '').split('|').map((cell) => inline(cell.trim(), base));
  const head = h('tr', null, cells(lines[0]).map((cell) => h('th', { scope: 'col' }, cell)));
  const rows = lines.slice(2).map((line) => h('tr', null, cells(line).map((cell) => h('td', null, cell))));
  return h('div', { class: 'table', tabindex: 0 }, h('table', null, h('thead', null, head), h('tbody', null, rows)));
}

// The marks inside a line, the earliest first. Every pattern is bounded by its own line.
const INLINE =
  /\\([\\`*_~[\]()#+\-.!|<>])|(`+)([^`]+?)\2|(!?)\[([^\]\n]{1,400})\]\(\s*<?([^\s<>)]{1,2000})>?(?:\s+["'][^"']*["'])?\s*\)|\*\*(\S(?:[^*]*\S)?)\*\*|__(\S(?:[^_]*\S)?)__(?!\w)|~~(\S(?:[^~]*\S)?)~~|\*(\S(?:[^*]*[^*\s])?)\*|(?<![\w])_(\S(?:[^_]*[^_\s])?)_(?!\w)|(https?:\/\/[^\s<>"'`\u3001\u3002\uff01\uff09\uff0c\uff1b\uff1f\u300d\u3011]*[^\s<>"'`)\].,;:!?*_\u3001\u3002\uff01\uff09\uff0c\uff1b\uff1f\u300d\u3011])/g;

export function inline(text: string, base: string, depth = 0): Node[] {
  const nodes: Node[] = [];
  let from = 0;
  const plain = (to: number) => {
    if (to > from) nodes.push(document.createTextNode(text.slice(from, to)));
  };
  for (const match of text.matchAll(INLINE)) {
    plain(match.index ?? 0);
    nodes.push(mark(match, base, depth));
    from = (match.index ?? 0) + match[0].length;
  }
  plain(text.length);
  return nodes;
}

function mark(match: RegExpMatchArray, base: string, depth: number): Node {
  const [all, escaped, , code, , label, href, strong, strong2, struck, soft, soft2, bare] = match;
  const inner = (body: string) => (depth < MOST_DEPTH ? inline(body, base, depth + 1) : [document.createTextNode(body)]);
  if (escaped) return document.createTextNode(escaped);
  if (code) return h('code', null, code);
  if (label) return link(href, inner(label), base) ?? document.createTextNode(all);
  if (strong ?? strong2) return h('strong', null, inner(strong ?? strong2));
  if (struck) return h('s', null, inner(struck));
  if (soft ?? soft2) return h('em', null, inner(soft ?? soft2));
  return link(bare, [document.createTextNode(bare)], base) ?? document.createTextNode(all);
}

function link(href: string, children: Node[], base: string): HTMLElement | null {
  const url = safeUrl(href, base);
  return url === null ? null : h('a', { href: url, target: '_blank', rel: 'noopener noreferrer nofollow' }, children);
}
