// The few line icons, built as SVG nodes (24 by 24, drawn in the text's colour).

const NS = 'http://www.w3.org/2000/svg';

const paths = {
  chat: 'M20.5 11.6c0 4.2-3.8 7.6-8.5 7.6-1.2 0-2.4-.2-3.4-.6L4 20l1.2-3.6a7 7 0 0 1-1.7-4.8C3.5 7.4 7.3 4 12 4s8.5 3.4 8.5 7.600Z',
  down: 'm6 9.5 6 6 6-6',
  close: 'M6.5 6.500l11 11m0-11-11 11',
  send: 'M12 19V5.500m0 0L6 11.500m6-6 6 6',
  stop: 'M8 8h8v8H8z',
  bell: 'M6.5 10a5.5 5.5 0 0 1 11 0c0 5 2 6.5 2 6.500h-15s2-1.5 2-6.500Zm3.7 9.500a2 2 0 0 0 3.6 0',
  inbox: 'M3.5 13.5 6 6.200A1.8 1.8 0 0 1 7.7 5h8.600A1.8 1.8 0 0 1 18 6.200l2.5 7.300v3.700a1.8 1.8 0 0 1-1.8 1.800H5.300a1.8 1.8 0 0 1-1.8-1.800v-3.700Zm0 0h5l1.3 2.500h4.400l1.3-2.500h5',
  sliders: 'M4 7.500h9m4 0h3M4 16.500h3m4 0h9M15 5.300v4.400M9 14.300v4.4',
  back: 'm14.5 5.5-6.5 6.5 6.5 6.5',
  person: 'M12 11.500a3.7 3.7 0 1 0 0-7.4 3.7 3.7 0 0 0 0 7.400Zm-7.2 8.400c.8-3.3 3.7-5.3 7.2-5.300s6.4 2 7.2 5.3',
  spark: 'M12 4c.7 4.7 2.8 6.9 8 8-5.2 1.1-7.3 3.3-8 8-.7-4.7-2.8-6.9-8-8 5.2-1.1 7.3-3.3 8-8Z',
  check: 'm5.5 12.5 4.3 4.3 8.7-9.3',
  checks: 'm3 12.8 3.9 3.9 7.6-8.400m-3 6.9 1.5 1.5 7.6-8.4',
  retry: 'M19.5 12a7.5 7.5 0 1 1-2.3-5.400m2.6-2.300v3.900h-3.9',
  plus: 'M12 5.500v13M5.5 12h13',
  link: 'M10 14 19 5m0 0h-5.500M19 5v5.500M16.5 14v3.700a1.3 1.3 0 0 1-1.3 1.300H6.300A1.3 1.3 0 0 1 5 17.700V8.800a1.3 1.3 0 0 1 1.3-1.300H10',
  book: 'M12 7c-1.7-1.3-4-1.7-7-1.700v12c3 0 5.3.4 7 1.7 1.7-1.3 4-1.7 7-1.700v-12c-3 0-5.3.4-7 1.700Zm0 0v12',
  history: 'M4.5 12a7.5 7.5 0 1 0 2.3-5.400M4.2 4.300v3.900h3.900M12 8v4.300l2.8 1.7',
  box: 'M12 3.8 4.5 7.6v8.8l7.5 3.8 7.5 -3.800V7.6L12 3.8Zm0 8.1 7.4-4.200M12 11.9 4.6 7.700M12 11.900v8.200M8.2 5.800l7.5 4',
  tag: 'M4.5 5.800v5.600c0 .5.2 1 .5 1.300l6.8 6.800a1.8 1.8 0 0 0 2.6 0l5.1-5.100a1.8 1.8 0 0 0 0-2.600L12.7 5a1.8 1.8 0 0 0-1.3-.5H5.800a1.3 1.3 0 0 0-1.3 1.300Zm4 2.900v.1',
  clip: 'M19 11.5 12.2 18.300a4.300 4.300 0 0 1-6.100-6.100l7.200-7.200a2.900 2.900 0 0 1 4.100 4.100l-7.200 7.200a1.400 1.400 0 0 1-2-2l6.500-6.500',
  file: 'M13.500 3.500H7.300A1.800 1.800 0 0 0 5.500 5.300v13.400a1.800 1.800 0 0 0 1.800 1.800h9.400a1.800 1.800 0 0 0 1.800-1.800V8.500l-5-5Zm0 0v5h5',
  mail: 'M4 6.500h16v11H4zM4 7l8 6 8-6',
  star: 'm12 4 2.500 5 5.500.800-4 3.900.900 5.500-4.900-2.600-4.900 2.600.900-5.500-4-3.900 5.500-.800Z',
  more: 'M6 12h.010M12 12h.010M18 12h.010',
  archive: 'M4 5h16v4H4zM5.500 9v10h13V9M10 13h4',
  clock: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16Zm0 3.500V12l3 2',
  question: 'M9.300 9.200a2.800 2.800 0 1 1 4 2.800c-.900.500-1.300 1-1.300 2m0 3v.100M12 3.800a8.200 8.200 0 1 1 0 16.400 8.200 8.200 0 0 1 0-16.400Z',
  alert: 'M12 8v5m0 3.200v.1M12 3.800a8.2 8.2 0 1 1 0 16.4 8.2 8.2 0 0 1 0-16.400Z',
};

const kinds: Record<string, IconName> = { transactional: 'box', alert: 'bell', marketing: 'tag' };

export function iconOf(item: { format?: string; category?: string }): IconName {
  return item.format === 'recommendation' ? 'spark' : (kinds[item.category ?? ''] ?? 'bell');
}

export type IconName = keyof typeof paths;

export function icon(name: IconName, size = 20): SVGSVGElement {
  const svg = document.createElementNS(NS, 'svg');
  const attributes = {
    viewBox: '0 0 24 24',
    width: size,
    height: size,
    fill: name === 'stop' || name === 'spark' ? 'currentColor' : 'none',
    stroke: 'currentColor',
    'stroke-width': name === 'spark' ? 0.6 : 1.75,
    'stroke-linecap': 'round',
    'stroke-linejoin': 'round',
    'aria-hidden': 'true',
    focusable: 'false',
    class: `icon icon-${name}`,
  };
  for (const [attribute, value] of Object.entries(attributes)) svg.setAttribute(attribute, String(value));
  const path = document.createElementNS(NS, 'path');
  path.setAttribute('d', paths[name]);
  svg.append(path);
  return svg;
}
