// The first half of the widget's script: text as nodes. widget.js is put behind it, as one module.

/** Make an element: `attributes` may hold on* handlers; children are nodes or text. */
function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const button = (label, kind, onclick, more) =>
  h("button", { type: "button", class: `cak-button ${kind}`, onclick, ...more }, label);

/** `code` and **bold** of one line or paragraph, as nodes. */
function inline(text) {
  return text.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/).map((part, at) => {
    if (at % 2 === 0) return part;
    return part[0] === "`" ? h("code", {}, part.slice(1, -1)) : h("strong", {}, part.slice(2, -2));
  });
}

/** Model text as paragraphs; line breaks stay. */
export function prose(text) {
  const paragraphs = text.trim().split(/\n\s*\n/).filter(Boolean);
  return paragraphs.map((paragraph) => h("p", {}, ...inline(paragraph)));
}

const TOKEN = new RegExp(
  [
    String.raw`(?<comment>#[^\n]*)`,
    String.raw`(?<string>[rbfuRBFU]{0,2}(?:"""[\s\S]*?(?:"""|(?![\s\S]))|'''[\s\S]*?(?:'''|(?![\s\S]))|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))`,
    String.raw`(?<number>\b\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?\b)`,
    String.raw`(?<keyword>\b(?:False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)\b)`,
    String.raw`(?<magic>^[ \t]*[%!][^\n]*)`,
    String.raw`\w+`,
  ].join("|"),
  "gm",
);

/** Python code as coloured nodes. */
export function colour(code) {
  const nodes = [];
  let at = 0;
  for (const match of code.matchAll(TOKEN)) {
    const kind = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
    if (!kind) continue;
    nodes.push(code.slice(at, match.index), h("span", { class: `cak-${kind}` }, match[0]));
    at = match.index + match[0].length;
  }
  return [...nodes, code.slice(at)].filter((node) => node !== "");
}

/** Split a reply that is still being written into [thought, code or null]. */
export function split(text) {
  const opening = /^```[^\n`]*(?:\n|$)/m.exec(text);
  if (!opening) return [text, null];
  const rest = text.slice(opening.index + opening[0].length);
  const closing = /^```/m.exec(rest);
  return [text.slice(0, opening.index), closing ? rest.slice(0, closing.index) : rest];
}
