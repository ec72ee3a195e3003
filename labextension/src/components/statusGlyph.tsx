/**
 * A small sign for the status of a step, in the colour of the text around it.
 */
import React from 'react';

import type { StepStatus } from '../protocol';

const CHECK = 'M3 8.6 6.4 12 13 4.6';
const CROSS = 'M4 4l8 8M12 4l-8 8';
const DOT = 'M8 5.5a2.5 2.5 0 1 0 0 5a2.5 2.5 0 1 0 0 -5z';
const RING = 'M8 4.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0 -7z';
const PAUSE = 'M5.5 4v8M10.5 4v8';
const PLAY = 'M5.5 4l6 4l-6 4z';
const SQUARE = 'M4.8 4.8h6.4v6.4h-6.4z';
const BACK = 'M6.5 3.5 3.5 6.5l3 3M3.5 6.5h6a3 3 0 0 1 0 6h-2.5';

const PATHS: Record<StepStatus, [path: string, filled: boolean]> = {
  thinking: [DOT, true],
  writing: [DOT, true],
  asking: [PAUSE, false],
  queued: [RING, false],
  running: [PLAY, true],
  ok: [CHECK, false],
  error: [CROSS, false],
  refused: [CROSS, false],
  interrupted: [SQUARE, true],
  timeout: [CROSS, false],
  dead: [CROSS, false],
  'sent-back': [BACK, false],
  answer: [CHECK, false]
};

export function StatusGlyph(props: { status: StepStatus }): React.JSX.Element {
  const [path, filled] = PATHS[props.status] ?? [RING, false];
  return (
    <svg className="ca-Glyph" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <path
        d={path}
        fill={filled ? 'currentColor' : 'none'}
        stroke="currentColor"
        strokeWidth={filled ? 1 : 1.8}
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
