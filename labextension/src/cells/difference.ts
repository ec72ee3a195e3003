/**
 * Two versions of a cell as one list of lines. Pure.
 */
import { diffLines, diffWordsWithSpace } from 'diff';

/** A part of a line; `changed` where the other version differs. */
export interface IPiece {
  text: string;
  changed: boolean;
}

/** One line of the difference; `gap` stands for `count` equal lines that are not shown. */
export type Row =
  { kind: 'same' | 'added' | 'removed'; pieces: IPiece[] } | { kind: 'gap'; count: number };

export interface IDifference {
  rows: Row[];
  added: number;
  removed: number;
}

type Line = Exclude<Row, { kind: 'gap' }>;

/** Compare two sources; `context` equal lines are kept around each change. */
export function compare(old: string, now: string, context = 3): IDifference {
  const lines: Line[] = [];
  // A last line with and without its line end is the same line.
  const parts = diffLines(`${old}\n`, `${now}\n`);
  parts.forEach((part, at) => {
    const kind = part.added ? 'added' : part.removed ? 'removed' : 'same';
    const texts = part.value.replace(/\n$/, '').split('\n');
    const before = parts[at - 1];
    if (kind === 'added' && before?.removed && before.count === part.count) {
      const removed = lines.splice(-texts.length);
      lines.push(...within(removed, texts));
    } else {
      lines.push(...texts.map((text): Line => ({ kind, pieces: [{ text, changed: false }] })));
    }
  });
  return {
    rows: fold(lines, context),
    added: lines.filter(line => line.kind === 'added').length,
    removed: lines.filter(line => line.kind === 'removed').length
  };
}

/** Equally many lines were replaced: show within each pair what changed. */
function within(removed: readonly Line[], texts: readonly string[]): Line[] {
  const pairs = removed.map((line, at): [Line, Line] => {
    const old = line.pieces.map(piece => piece.text).join('');
    const parts = diffWordsWithSpace(old, texts[at]);
    const alike = parts.some(part => !part.added && !part.removed && part.value.trim() !== '');
    const pieces = (drop: 'added' | 'removed'): IPiece[] =>
      parts
        .filter(part => !part[drop])
        .map(part => ({ text: part.value, changed: alike && (part.added || part.removed) }));
    return [
      { kind: 'removed', pieces: pieces('added') },
      { kind: 'added', pieces: pieces('removed') }
    ];
  });
  return [...pairs.map(pair => pair[0]), ...pairs.map(pair => pair[1])];
}

function fold(lines: readonly Line[], context: number): Row[] {
  const near = lines.map((_, at) =>
    lines.slice(Math.max(0, at - context), at + context + 1).some(line => line.kind !== 'same')
  );
  const rows: Row[] = [];
  lines.forEach((line, at) => {
    const last = rows[rows.length - 1];
    if (near[at]) {
      rows.push(line);
    } else if (last?.kind === 'gap') {
      last.count += 1;
    } else {
      rows.push({ kind: 'gap', count: 1 });
    }
  });
  return rows;
}
