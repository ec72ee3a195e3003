/**
 * One step of a run: what was thought, the code, what came of it, and what can be done about it.
 */
import React from 'react';

import type { Conversation } from '../conversation';
import { goToCell } from '../notebook';
import type { Run, Step } from '../protocol';
import {
  duration,
  isEnded,
  sentenceOf,
  speedWords,
  splitReply,
  statusWords,
  stepsBack
} from '../text';
import { LinkButton } from './buttons';
import { Code, Markdown, Outputs } from './rich';
import { RiskChips, UnsavedNote } from './riskChips';
import { showSent } from './sentMessages';
import { StatusGlyph } from './statusGlyph';

interface IStepProps {
  conversation: Conversation;
  run: Run;
  step: Step;
  past: boolean;
}

export const StepView = React.memo(function StepView(props: IStepProps): React.JSX.Element {
  const { step } = props;
  return (
    <li
      className="ca-Step"
      data-testid="codeact-step"
      data-step={step.index}
      data-status={step.status}
      aria-label={`Step ${step.index}, ${statusWords(step.status)}`}
    >
      <StepHead step={step} />
      <div className="ca-Step-body">
        <Said step={step} />
        {step.status !== 'asking' && <RiskChips risks={step.risks} />}
        <Decided step={step} />
        <CameOut run={props.run} step={step} />
        <StepTools {...props} />
      </div>
    </li>
  );
});

function StepHead(props: { step: Step }): React.JSX.Element {
  const { step } = props;
  const figures = [step.seconds > 0 ? duration(step.seconds) : '', speedWords(step)];
  return (
    <div className="ca-Step-head">
      <StatusGlyph status={step.status} />
      <span className="ca-Step-number">{step.index}</span>
      <span className="ca-Step-status">{statusWords(step.status)}</span>
      <span className="ca-Step-figures">{figures.filter(Boolean).join(' · ')}</span>
    </div>
  );
}

/** Thought and code; while they are written, as far as they have come. A cell that waits is in the card below. */
function Said(props: { step: Step }): React.JSX.Element {
  const { step } = props;
  if (step.code === null && step.thought === '' && step.text !== '') {
    const { prose, code } = splitReply(step.text);
    return (
      <div data-testid="codeact-writing">
        {prose !== '' && <p className="ca-Prose">{prose}</p>}
        {code !== null && (
          <Code source={code} label={`Code of step ${step.index}, being written`} />
        )}
      </div>
    );
  }
  return (
    <>
      {step.thought !== '' && <Markdown source={step.thought} testid="codeact-thought" />}
      {step.code !== null && step.status !== 'asking' && (
        <Code source={step.code} label={`Code of step ${step.index}`} />
      )}
    </>
  );
}

/** What a person decided about this step; what no person saw is not mentioned. */
function Decided(props: { step: Step }): React.JSX.Element | null {
  const { approval, edited } = props.step;
  if (approval === null || approval.decision === 'auto') {
    return edited ? <p className="ca-Note">edited before it ran</p> : null;
  }
  const words: Record<string, string> = {
    approve: 'approved',
    modify: 'edited and run',
    reject: 'rejected',
    stop: 'stopped'
  };
  const reason = !approval.reason ? '' : `: ${approval.reason}`;
  return (
    <p className="ca-Note" data-testid="codeact-decided" data-decision={approval.decision}>
      {(words[approval.decision] ?? approval.decision) + reason}
    </p>
  );
}

/** Outputs where the notebook does not have them, else their first lines. */
function CameOut(props: { run: Run; step: Step }): React.JSX.Element {
  const { run, step } = props;
  const shown = step.outputs.length > 0 && (run.inline || step.cell_id === null);
  return (
    <>
      {shown && <Outputs outputs={step.outputs} />}
      {!shown && step.summary !== '' && step.status !== 'answer' && (
        <pre
          className="ca-Summary"
          tabIndex={0}
          role="region"
          aria-label={`Result of step ${step.index}`}
          data-testid="codeact-summary"
        >
          {step.summary}
        </pre>
      )}
      {step.notice !== '' && (
        <p className="ca-Note" data-testid="codeact-step-notice">
          {step.notice}
        </p>
      )}
      <UnsavedNote unsaved={step.unsaved} lead="Undo will not restore" />
    </>
  );
}

function StepTools(props: IStepProps): React.JSX.Element | null {
  const { conversation, run, step } = props;
  const { session } = conversation;
  const cell = step.cell_id;
  if (!isEnded(step.status) && cell === null) {
    return null;
  }
  const show = async (id: string): Promise<void> => {
    if (!(await goToCell(session.panel, id))) {
      conversation.say('This cell is no longer in the notebook.');
    }
  };
  return (
    <div className="ca-Tools">
      {cell !== null && (
        <LinkButton
          testid="codeact-goto-cell"
          label={`Go to the cell of step ${step.index}`}
          onClick={() => void show(cell)}
        >
          {step.execution_count === null ? 'cell' : `cell [${step.execution_count}]`}
        </LinkButton>
      )}
      <UndoButton {...props} />
      {isEnded(step.status) && !props.past && (
        <LinkButton
          testid="codeact-sent"
          label={`What was sent to the model for step ${step.index}`}
          onClick={() => {
            showSent(conversation, run, step.index).catch((error: unknown) =>
              conversation.say(sentenceOf(error))
            );
          }}
        >
          what was sent
        </LinkButton>
      )}
    </div>
  );
}

function UndoButton(props: IStepProps): React.JSX.Element | null {
  const { conversation, run, step } = props;
  if (!step.undoable || !isEnded(step.status)) {
    return null;
  }
  const { runs, state } = conversation.session.snapshot;
  const steps = stepsBack(runs, run.run, step.index);
  const title =
    steps > 1
      ? `Variables go back to before step ${step.index}; this undoes ${steps} steps`
      : `Variables go back to before step ${step.index}`;
  return (
    <LinkButton
      testid="codeact-undo"
      title={title}
      label={title}
      disabled={steps === 0 || state !== 'idle' || conversation.pending.has('undo')}
      onClick={() => void conversation.undo(steps)}
    >
      undo
    </LinkButton>
  );
}
