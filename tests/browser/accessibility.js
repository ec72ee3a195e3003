// What can be checked of accessibility without a person, below one element. Returns functions for `accessibility.py`.
(() => {
  const CONTROLS =
    'a[href], button, input, select, textarea, summary, [contenteditable="true"], [tabindex], ' +
    'jp-button, jp-text-field, jp-select';

  // Code is coloured by the theme: CodeMirror marks its words with classes like "ͼ14".
  const SKIPPED = 'svg, img, [aria-hidden="true"], :disabled, .cm-line span, [class^="ͼ"]';

  const visible = element => {
    const style = getComputedStyle(element);
    const folded = element.parentElement?.closest('details:not([open])');
    const shown = !folded || element.parentElement === folded && element.tagName === 'SUMMARY';
    return shown && element.getClientRects().length > 0 && style.visibility === 'visible';
  };
  const deepest = () => {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) {
      element = element.shadowRoot.activeElement;
    }
    return element;
  };
  const describe = element => {
    const id = element.getAttribute('data-testid') || element.getAttribute('aria-label') || element.className;
    return `${element.tagName.toLowerCase()} ${id} ${(element.textContent || '').trim().slice(0, 40)}`.trim();
  };

  const rgba = text => {
    const found = /^rgba?\(([^)]*)\)$/.exec(text);
    if (found) {
      const [r, g, b, a] = found[1].split(/[\s,/]+/).map(Number);
      return [r, g, b, a === undefined ? 1 : a];
    }
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    canvas.fillStyle = text; // color(srgb ...) and the like
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) =>
    [0, 1, 2].map(at => top[at] * top[3] + under[at] * (1 - top[3])).concat(1);
  const parentOf = element => element.parentElement || element.getRootNode().host || null;
  const background = element => {
    const layers = [];
    for (let at = element; at; at = parentOf(at)) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0) {
        layers.push(colour);
      }
      if (colour[3] === 1) {
        break;
      }
    }
    return layers.reduceRight((under, layer) => over(layer, under), [255, 255, 255, 1]);
  };
  const luminance = colour => {
    const [r, g, b] = colour.slice(0, 3).map(value => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const opacity = element => {
    let product = 1;
    for (let at = element; at; at = parentOf(at)) {
      product *= Number(getComputedStyle(at).opacity);
    }
    return product;
  };
  const shown = element => {
    const marks = [];
    for (let at = element, level = 0; at && level < 4; at = parentOf(at), level += 1) {
      const style = getComputedStyle(at);
      const outline = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 ? style.outline : '';
      marks.push(`${outline}|${style.boxShadow}|${style.borderColor}|${style.borderWidth}|${style.backgroundColor}`);
    }
    return marks;
  };

  return {
    // The controls that Tab should reach, as [index, words].
    controls: root => {
      const all = Array.from(root.querySelectorAll(CONTROLS)).filter(
        element => visible(element) && !element.disabled && element.tabIndex >= 0 && !element.closest('[inert]')
      );
      all.forEach((element, index) => element.setAttribute('data-reach', String(index)));
      return all.map(describe);
    },
    // Which control has the focus now: its index, -1 within the root but no control of it, -2 outside.
    focused: root => {
      const element = deepest();
      const inner = element && document.activeElement;
      if (!inner || !root.contains(inner)) {
        return -2;
      }
      return Number(inner.closest('[data-reach]')?.getAttribute('data-reach') ?? -1);
    },
    // Whether the focus is in an editor of several lines.
    editing: () => deepest().matches('textarea, [contenteditable="true"]'),
    // Whether the focused element looks other than when it is not focused.
    outlined: () => {
      const element = deepest();
      const freeze = document.createElement('style');
      freeze.textContent = '*, *::before, *::after { transition: none !important; animation: none !important; }';
      document.head.append(freeze);
      const focused = shown(element);
      element.blur();
      const plain = shown(element);
      element.focus();
      freeze.remove();
      return focused.some((mark, at) => mark !== plain[at]);
    },
    // Texts whose contrast is too low, in words.
    faint: root => {
      const found = [];
      const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const element = node.parentElement;
        const text = node.nodeValue.trim();
        if (!text || !element || !visible(element) || element.closest(SKIPPED)) {
          continue;
        }
        const box = element.getBoundingClientRect();
        if (box.width <= 2 || box.height <= 2) {
          continue; // for screen readers only
        }
        const style = getComputedStyle(element);
        const ground = background(element);
        const colour = rgba(style.color);
        const ink = over([...colour.slice(0, 3), colour[3] * opacity(element)], ground);
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        const have = ratio(ink, ground);
        if (have < (large ? 3 : 4.5)) {
          found.push(`${have.toFixed(2)}:1 "${text.slice(0, 40)}" ${style.color} on ${ground.slice(0, 3)} (${describe(element)})`);
        }
      }
      return found;
    }
  };
})()
