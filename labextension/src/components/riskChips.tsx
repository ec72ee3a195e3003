/**
 * What a cell may touch, in words, and what undo cannot bring back.
 */
import React from 'react';

import type { Risk, Unsaved } from '../protocol';

export function RiskChips(props: { risks: Risk[] }): React.JSX.Element | null {
  if (props.risks.length === 0) {
    return null;
  }
  return (
    <ul className="ca-Chips" aria-label="What this cell may touch">
      {props.risks.map((risk, at) => (
        <li
          key={`${risk.kind}-${at}`}
          className="ca-Chip"
          data-testid="codeact-risk"
          data-kind={risk.kind}
          title={risk.words}
        >
          {risk.words}
        </li>
      ))}
    </ul>
  );
}

export function UnsavedNote(props: { unsaved: Unsaved[]; lead: string }): React.JSX.Element | null {
  if (props.unsaved.length === 0) {
    return null;
  }
  return (
    <p className="ca-Note" data-testid="codeact-unsaved">
      {props.lead}{' '}
      {props.unsaved.map((item, at) => (
        <React.Fragment key={item.name}>
          {at > 0 && ', '}
          <code>{item.name}</code> ({item.reason})
        </React.Fragment>
      ))}
      .
    </p>
  );
}
