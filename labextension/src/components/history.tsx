/**
 * The saved episodes of this notebook.
 */
import React from 'react';

import type { Conversation } from '../conversation';
import type { EpisodeEntry } from '../protocol';
import { sentenceOf } from '../text';
import { PushButton } from './buttons';
import { useServices } from './services';

export function History(props: {
  conversation: Conversation;
  onClose: () => void;
}): React.JSX.Element {
  const { conversation, onClose } = props;
  const { boot, episodes } = conversation;
  React.useEffect(() => {
    if (!conversation.pending.has('episodes')) {
      void conversation.listEpisodes();
    }
  }, [conversation, boot]);
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
  return (
    <li>
      <button
        type="button"
        className="ca-Entry"
        title={entry.path}
        data-testid="codeact-episode"
        data-path={entry.path}
        onClick={open}
      >
        <span className="ca-Ellipsis">{entry.title === '' ? entry.path : entry.title}</span>
        <span className="ca-Note">{`${startedWords(entry.started)} · ${statusOf(entry)} · ${steps}`}</span>
      </button>
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
