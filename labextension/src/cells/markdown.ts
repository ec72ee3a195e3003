/**
 * Model text as Markdown that any notebook viewer may render: no HTML, no images, since both can load addresses and
 * so leak data. The same rules as codeact_kernel/markdown.py, which says why.
 */
const OPENING = /^(?:(`{3,})[^`|]*|(~{3,})[^|]*)$/;
const FENCE_LIKE = /^[\s>*+\-\d.)]*(?:`{3,}|~{3,})/;
const SPAN = /(?<!`)(`+)(?!`)([^`|]|[^`|][^|]*?[^`|])(?<!`)\1(?!`)/;
const SHIFTING = /\\`|\]\(|\]\[|\]:/;

/** The text with HTML and images outside code made literal. */
export function safeMarkdown(text: string): string {
  const done: string[] = [];
  let paragraph: string[] = [];
  let fence = '';
  let sure = true;
  for (const line of text.replace(/\r\n|\r/g, '\n').split('\n')) {
    if (fence !== '') {
      done.push(sure ? line : literal(line));
      if (new RegExp(`^ {0,3}${fence}${fence[0]}* *$`).test(line)) {
        fence = '';
      } else if (new RegExp(`^\\s*${fence}[\`~\\s]*$`).test(line)) {
        sure = false;
      }
      continue;
    }
    const opening = OPENING.exec(line);
    if (opening !== null || /^[ \t]*$/.test(line)) {
      done.push(...paragraphLines(paragraph, sure));
      paragraph = [];
    }
    if (opening !== null) {
      fence = opening[1] ?? opening[2];
      done.push(literal(line));
    } else {
      sure = sure && !FENCE_LIKE.test(line) && !line.includes(']:');
      paragraph.push(line);
    }
  }
  return [...done, ...paragraphLines(paragraph, sure)].join('\n');
}

function literal(text: string): string {
  return text.replaceAll('<', '&lt;').replaceAll('![', '!\\[');
}

/** Lines without a blank one between, with what is not code made literal. */
function paragraphLines(lines: readonly string[], sure: boolean): string[] {
  const split = lines.map(line => line.split(SPAN));
  const partners = split.every(parts =>
    parts.every((part, at) => at % 3 !== 0 || !part.includes('`'))
  );
  if (!sure || !partners || SHIFTING.test(lines.join('\n'))) {
    return lines.map(literal);
  }
  return split.map(whole);
}

/** The pieces of a split line: text, backticks, code, text, ... */
function whole(parts: readonly string[]): string {
  const found = [literal(parts[0])];
  for (let at = 1; at + 2 < parts.length; at += 3) {
    found.push(`${parts[at]}${parts[at + 1]}${parts[at]}`, literal(parts[at + 2]));
  }
  return found.join('');
}
