/**
 * What the agent does now, in words, with the time it has been at it.
 */
import React from 'react';

import type { Conversation } from '../conversation';
import { activeRun } from '../model';
import { stateWords, ticking } from '../text';
import { useClock, useSince } from './hooks';

interface ILine {
  state: string;
  words: string;
  ticks: boolean;
}

function lineOf(conversation: Conversation): ILine {
  const { session, pending } = conversation;
  const { snapshot } = session;
  if (pending.has('load') || (pending.has('start') && !session.connected)) {
    return { state: 'loading', words: 'loading the agent into the kernel', ticks: true };
  }
  if (!session.hasKernel) {
    return { state: 'no-kernel', words: 'no kernel', ticks: false };
  }
  if (session.connecting) {
    return { state: 'connecting', words: 'waiting for the kernel', ticks: false };
  }
  if (!session.connected) {
    return { state: 'unloaded', words: 'not loaded in this kernel', ticks: false };
  }
  const words = stateWords(snapshot.state, activeRun(snapshot));
  return { state: snapshot.state, words, ticks: snapshot.state !== 'idle' };
}

export function StateLine(props: { conversation: Conversation }): React.JSX.Element {
  const { state, words, ticks } = lineOf(props.conversation);
  const since = useSince(words);
  const now = useClock(ticks);
  const run = activeRun(props.conversation.session.snapshot);
  const total = run === null ? null : ticking(now / 1000 - run.started);
  return (
    <div className="ca-State" data-testid="codeact-state" data-state={state}>
      <span className="ca-State-dot" aria-hidden="true" />
      <span role="status">{words}</span>
      {ticks && (
        // Seconds are for the eye: read out loud they would drown everything else.
        <span className="ca-State-time" aria-hidden="true" data-testid="codeact-elapsed">
          {ticking((now - since) / 1000)}
          {total !== null && `, ${total} in all`}
        </span>
      )}
    </div>
  );
}
