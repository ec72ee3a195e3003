/**
 * Is a model there, does it answer; one click fetches the embedded one.
 */
import React from 'react';

import type { Conversation } from '../conversation';
import type { InstalledModel, PullEvent, StatusReply } from '../protocol';
import { bytes, duration, ticking } from '../text';
import { PushButton } from './buttons';
import { useClock } from './hooks';

export function StatusCard(props: {
  conversation: Conversation;
  onClose: (() => void) | null;
}): React.JSX.Element {
  const { conversation, onClose } = props;
  const { status } = conversation;
  const since = conversation.pending.get('status');
  const now = useClock(since !== undefined);
  return (
    <section
      className="ca-Card"
      aria-label="Model"
      data-testid="codeact-status"
      data-ready={status?.ready}
    >
      <p className="ca-Card-sentence" role="status" data-testid="codeact-status-sentence">
        {since === undefined ? sentence(status) : 'Asking the model…'}
        {since !== undefined && (
          <span aria-hidden="true" className="ca-State-time">
            {ticking((now - since) / 1000)}
          </span>
        )}
      </p>
      {status?.ready === true && since === undefined && <Facts status={status} />}
      <Downloads conversation={conversation} status={status} />
      <div className="ca-Buttons">
        <PushButton
          testid="codeact-status-check"
          disabled={since !== undefined}
          onClick={() => void conversation.checkStatus(true)}
        >
          {status?.ready === false ? 'Check again' : 'Does it answer?'}
        </PushButton>
        {onClose !== null && (
          <PushButton testid="codeact-status-close" onClick={onClose}>
            Close
          </PushButton>
        )}
      </div>
    </section>
  );
}

function sentence(status: StatusReply | null): string {
  return status?.sentence ?? 'The kernel has not said yet which model it uses.';
}

function Facts(props: { status: StatusReply }): React.JSX.Element {
  const { model, resolved, backend } = props.status;
  const facts = [resolved === '' ? model : resolved, backend].filter(Boolean).join(' · ');
  return <p className="ca-Note">{facts}</p>;
}

/** A button for each embedded model that is not here, or how far its download is. */
function Downloads(props: {
  conversation: Conversation;
  status: StatusReply | null;
}): React.JSX.Element {
  const { conversation, status } = props;
  const { pulls } = conversation.session.snapshot;
  const missing = (status?.installed ?? []).filter(
    item => !item.here && pulls[item.name] === undefined
  );
  return (
    <>
      {Object.values(pulls).map(pull => (
        <Download key={pull.name} pull={pull} onRetry={() => void conversation.pull(pull.name)} />
      ))}
      {status !== null && !status.ready && missing.length > 0 && (
        <div className="ca-Buttons">
          {missing.map((item, at) => (
            <PushButton
              key={item.name}
              kind={at === 0 ? 'primary' : 'plain'}
              testid="codeact-pull"
              onClick={() => void conversation.pull(item.name)}
            >
              {pullWords(item)}
            </PushButton>
          ))}
        </div>
      )}
    </>
  );
}

function pullWords(item: InstalledModel): string {
  return item.size_bytes === null
    ? `Get ${item.name}`
    : `Get ${item.name} (${bytes(item.size_bytes)})`;
}

function Download(props: { pull: PullEvent; onRetry: () => void }): React.JSX.Element {
  const { pull, onRetry } = props;
  const began = React.useRef({ at: Date.now(), done: pull.done });
  const now = useClock(!pull.finished);
  const seconds = (now - began.current.at) / 1000;
  const rate = seconds > 2 ? (pull.done - began.current.done) / seconds : 0;
  const left = pull.total !== null && rate > 0 ? (pull.total - pull.done) / rate : null;
  if (pull.error !== '') {
    return (
      <div data-testid="codeact-pull-error">
        <p className="ca-Cause">{`${pull.name}: ${pull.error}`}</p>
        <PushButton testid="codeact-pull" onClick={onRetry}>
          Try again
        </PushButton>
      </div>
    );
  }
  const size =
    pull.total === null ? bytes(pull.done) : `${bytes(pull.done)} of ${bytes(pull.total)}`;
  const words = pull.finished ? 'here' : size + (left === null ? '' : ` · ${duration(left)} left`);
  return (
    <div className="ca-Pull" data-testid="codeact-pull-progress" data-finished={pull.finished}>
      <span className="ca-Note">{`${pull.name}: ${words}`}</span>
      {!pull.finished && (
        <progress
          aria-label={`Download of ${pull.name}`}
          value={pull.total === null ? undefined : pull.done}
          max={pull.total ?? undefined}
        />
      )}
    </div>
  );
}
