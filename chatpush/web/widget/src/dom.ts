// Building DOM without innerHTML: texts from anywhere can only ever become text.

type Child = Node | string | null | undefined | false;
type Props = Record<string, unknown>;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props?: Props | null,
  ...children: (Child | Child[])[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (props) assign(element, props);
  append(element, children);
  return element;
}

export function assign(element: Element, props: Props): void {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) element.removeAttribute(name);
    else if (name.startsWith('on') && typeof value === 'function') {
      element.addEventListener(name.slice(2), value as EventListener);
    } else element.setAttribute(name, value === true ? '' : String(value));
  }
}

export function append(parent: Node, children: (Child | Child[])[]): void {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    parent.appendChild(typeof child === 'string' ? document.createTextNode(child) : child);
  }
}

export function fill(parent: Element, ...children: (Child | Child[])[]): void {
  parent.textContent = '';
  append(parent, children);
}

interface Kept {
  element: HTMLElement;
  sign: string;
}

// Keep a list of elements in step with a list of things: an element whose sign has not
// changed stays the same node, so nothing flashes, loses focus or is announced again.
export class Keyed<T> {
  private kept = new Map<string, Kept>();

  constructor(
    private parent: HTMLElement,
    private key: (thing: T) => string,
    private sign: (thing: T, index: number) => string,
    private make: (thing: T, old: HTMLElement | null) => HTMLElement,
  ) {}

  show(things: T[]): void {
    const next = new Map<string, Kept>();
    let place: ChildNode | null = this.parent.firstChild;
    things.forEach((thing, index) => {
      const key = this.key(thing);
      const sign = this.sign(thing, index);
      const old = this.kept.get(key) ?? null;
      let element = old?.element ?? null;
      if (!old || old.sign !== sign) {
        const made = this.make(thing, element);
        if (element && element !== made) {
          if (place === element) place = element.nextSibling;
          element.replaceWith(made);
        }
        element = made;
      }
      if (place && element === place) place = place.nextSibling;
      else this.parent.insertBefore(element as HTMLElement, place);
      next.set(key, { element: element as HTMLElement, sign });
    });
    for (const [key, { element }] of this.kept) if (!next.has(key)) element.remove();
    this.kept = next;
  }

  get(key: string): HTMLElement | undefined {
    return this.kept.get(key)?.element;
  }

  // Draw everything anew at the next show: the language changed.
  forget(): void {
    for (const kept of this.kept.values()) kept.sign = '\0';
  }
}
