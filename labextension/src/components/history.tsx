/**
 * The saved episodes of this notebook.
 */
import React from 'react';

import type { Conversation } from '../conversation';
import type { EpisodeEntry } from '../protocol';
import { sentenceOf } from '../text';
import { LinkButton, PushButton } from './buttons';
import { ReplayView } from './replayView';
import { useServices } from './services';

export function History(props: {
  conversation: Conversation;
  onClose: () => void;
}): React.JSX.Element {
  const { conversation, onClose } = props;
  const { boot, episodes, replaying } = conversation;
  React.useEffect(() => {
    if (!conversation.pending.has('episodes')) {
      void conversation.listEpisodes();
    }
  }, [conversation, boot]);
  const { replay } = replaying;
  if (replay !== null) {
    return (
      <ReplayView key={replay.name} conversation={conversation} replay={replay} onGone={onClose} />
    );
  }
  return (
    <section
      className="ca-Card ca-History"
      aria-label="Saved episodes"
      data-testid="codeact-history"
    >
      {episodes === null && conversation.pending.has('episodes') && (
        <p className="ca-Note">Looking…</p>
      )}
      {episodes?.length === 0 && (
        <p className="ca-Note">This notebook has no saved episodes yet.</p>
      )}
      {episodes !== null && episodes.length > 0 && (
        <ul>
          {episodes.map(entry => (
            <Entry key={entry.path} conversation={conversation} entry={entry} />
          ))}
        </ul>
      )}
      {replaying.said !== null && (
        <p className="ca-Card-sentence" role="status" data-testid="codeact-history-said">
          {replaying.said}
        </p>
      )}
      <div className="ca-Buttons">
        <PushButton testid="codeact-history-close" onClick={onClose}>
          Close
        </PushButton>
      </div>
    </section>
  );
}

function Entry(props: { conversation: Conversation; entry: EpisodeEntry }): React.JSX.Element {
  const { conversation, entry } = props;
  const { openEpisode } = useServices();
  const open = (): void => {
    openEpisode(conversation.session, entry.path, entry.notebook_dir).catch((error: unknown) =>
      conversation.say(sentenceOf(error))
    );
  };
  const steps = entry.steps === 1 ? '1 step' : `${entry.steps} steps`;
  const { replaying } = conversation;
  const name = entry.title === '' ? entry.path : entry.title;
  return (
    <li className="ca-History-entry">
      <button
        type="button"
        className="ca-Entry"
        title={entry.path}
        data-testid="codeact-episode"
        data-path={entry.path}
        onClick={open}
      >
        <span className="ca-Ellipsis">{name}</span>
        <span className="ca-Note">{`${startedWords(entry.started)} · ${statusOf(entry)} · ${steps}`}</span>
      </button>
      <LinkButton
        testid="codeact-replay-open"
        label={`Replay: ${name}`}
        title="Run its cells again in this kernel and compare what they give; shows first what they may do"
        disabled={replaying.looking}
        onClick={() => void replaying.open(entry.path)}
      >
        replay
      </LinkButton>
      <LinkButton
        testid="codeact-rehearse"
        label={`Rehearse: ${name}`}
        title="Check prompts, parser and observations against its record; nothing runs"
        disabled={replaying.looking}
        onClick={() => void replaying.rehearse(entry.path)}
      >
        rehearse
      </LinkButton>
    </li>
  );
}

function statusOf(entry: EpisodeEntry): string {
  return entry.status === 'interrupted' ? 'stopped' : entry.status;
}

function startedWords(started: string): string {
  const date = new Date(started);
  const options: Intl.DateTimeFormatOptions = { dateStyle: 'medium', timeStyle: 'short' };
  return Number.isNaN(date.getTime()) ? started : date.toLocaleString([], options);
}
