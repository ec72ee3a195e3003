/**
 * A cell waits for a person: run it, run it changed, or reject it with a reason.
 */
import React from 'react';

import type { Conversation } from '../conversation';
import type { Question } from '../protocol';
import { sentenceCase } from '../text';
import { PushButton } from './buttons';
import { EditableCode } from './codeEditor';
import { RiskChips, UnsavedNote } from './riskChips';

export function ApprovalCard(props: {
  conversation: Conversation;
  question: Question;
}): React.JSX.Element {
  const { conversation, question } = props;
  const [code, setCode] = React.useState(question.code);
  const [allow, setAllow] = React.useState(false);
  const [rejecting, setRejecting] = React.useState(false);
  const buttons = React.useRef<HTMLDivElement>(null);
  const edited = code !== question.code;
  const run = (): void =>
    conversation.decide(question, {
      decision: edited ? 'modify' : 'approve',
      ...(edited ? { code } : {}),
      ...(allow ? { allow } : {})
    });
  return (
    <section
      className="ca-Approval"
      aria-label={`Step ${question.step} waits for you`}
      data-testid="codeact-approval"
      data-sha256={question.sha256}
    >
      <p role="alert">
        <span className="ca-Approval-head">Run this cell?</span>{' '}
        <span className="ca-Note" data-testid="codeact-approval-reason">
          {sentenceCase(question.reason)}
        </span>
      </p>
      <RiskChips risks={question.risks} />
      <EditableCode
        source={question.code}
        label={`Code of step ${question.step}, editable`}
        testid="codeact-approval-code"
        onChange={setCode}
        onSubmit={run}
        onLeave={() => buttons.current?.querySelector('button')?.focus()}
      />
      <UnsavedNote unsaved={question.unsaved} lead="Undo will not restore" />
      <AllowBox question={question} allow={allow} onChange={setAllow} />
      {rejecting ? (
        <RejectForm
          onReject={reason => conversation.decide(question, { decision: 'reject', reason })}
          onBack={() => setRejecting(false)}
        />
      ) : (
        <RunOrReject
          host={buttons}
          edited={edited}
          onRun={run}
          onReject={() => setRejecting(true)}
        />
      )}
    </section>
  );
}

function RunOrReject(props: {
  host: React.RefObject<HTMLDivElement>;
  edited: boolean;
  onRun: () => void;
  onReject: () => void;
}): React.JSX.Element {
  return (
    <div className="ca-Buttons" ref={props.host}>
      <PushButton
        kind="primary"
        testid={props.edited ? 'codeact-approve-edited' : 'codeact-approve'}
        title="Shift+Enter in the code does the same"
        onClick={props.onRun}
      >
        {props.edited ? 'Run edited' : 'Run'}
      </PushButton>
      <PushButton testid="codeact-reject" onClick={props.onReject}>
        Reject…
      </PushButton>
    </div>
  );
}

function AllowBox(props: {
  question: Question;
  allow: boolean;
  onChange: (allow: boolean) => void;
}): React.JSX.Element | null {
  const { allowable, risks } = props.question;
  if (allowable.length === 0) {
    return null;
  }
  const words = risks
    .filter(risk => allowable.includes(risk.kind))
    .map(risk => kindWords(risk.words));
  const kinds = [...new Set(words.length > 0 ? words : allowable)].join(', ');
  return (
    <label className="ca-Allow">
      <input
        type="checkbox"
        checked={props.allow}
        data-testid="codeact-allow"
        onChange={event => props.onChange(event.target.checked)}
      />
      <span>
        Allow for the rest of this episode: <em>{kinds}</em>
      </span>
    </label>
  );
}

/** The general part of a risk's words: `deletes files: out/*.csv` -> `deletes files`. */
function kindWords(words: string): string {
  return words.split(':')[0];
}

function RejectForm(props: {
  onReject: (reason: string) => void;
  onBack: () => void;
}): React.JSX.Element {
  const [reason, setReason] = React.useState('');
  return (
    <form
      className="ca-Reject"
      onSubmit={event => {
        event.preventDefault();
        props.onReject(reason.trim());
      }}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          props.onBack();
        }
      }}
    >
      <input
        type="text"
        className="ca-Input"
        autoFocus
        value={reason}
        placeholder="Reason; the model reads it"
        aria-label="Reason for rejecting"
        data-testid="codeact-reject-reason"
        onChange={event => setReason(event.target.value)}
      />
      <div className="ca-Buttons">
        <button
          type="submit"
          className="ca-Button ca-mod-warn"
          data-testid="codeact-reject-confirm"
        >
          Reject
        </button>
        <PushButton testid="codeact-reject-back" onClick={props.onBack}>
          Back
        </PushButton>
      </div>
    </form>
  );
}
