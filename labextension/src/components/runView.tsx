/**
 * One task: its words, its steps, its answer and what it took.
 */
import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { Conversation } from '../conversation';
import { findCell, goToCell } from '../notebook';
import type { Run } from '../protocol';
import { count, duration, modeWords, runWords, sentenceOf, usageWords } from '../text';
import { LinkButton } from './buttons';
import { Markdown } from './rich';
import { showSent } from './sentMessages';
import { useServices } from './services';
import { StepView } from './stepView';

interface IRunProps {
  conversation: Conversation;
  run: Run;
  /** The newest run is open, older ones are folded. */
  last: boolean;
  /** Its kernel is gone: nothing can be asked about it. */
  past: boolean;
  /** It was cut off by the end of its kernel. */
  lost: boolean;
  notice: string | undefined;
  /** Show what is saved of this notebook. */
  onHistory: () => void;
}

export const RunView = React.memo(function RunView(props: IRunProps): React.JSX.Element {
  const { conversation, run, last } = props;
  const [chosen, choose] = React.useState<boolean | null>(null);
  const open = chosen ?? (last || run.status === null);
  const steps = run.steps.filter(step => step.status !== 'answer' || run.answer === '');
  return (
    <section
      className="ca-Run"
      data-testid="codeact-run"
      data-run={run.run}
      data-status={run.status ?? 'running'}
      aria-label={`Task: ${run.task}`}
    >
      <TaskHead run={run} open={open} steps={steps.length} onToggle={() => choose(!open)} />
      {open && steps.length > 0 && (
        <ol className="ca-Steps">
          {steps.map(step => (
            <StepView
              key={step.index}
              conversation={conversation}
              run={run}
              step={step}
              past={props.past}
            />
          ))}
        </ol>
      )}
      {props.notice !== undefined && props.notice !== '' && (
        <p className="ca-Note" data-testid="codeact-notice">
          {props.notice}
        </p>
      )}
      {run.answer !== '' && <Markdown source={run.answer} testid="codeact-answer" />}
      {run.status !== null && <RunFoot {...props} />}
    </section>
  );
});

function TaskHead(props: {
  run: Run;
  open: boolean;
  steps: number;
  onToggle: () => void;
}): React.JSX.Element {
  const { run, open, steps } = props;
  const Caret = open ? caretDownIcon : caretRightIcon;
  const where = run.surface === 'magic' ? 'from a %codeact cell' : '';
  const started = new Date(run.started * 1000).toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit'
  });
  const facts = [started, run.model, modeWords(run.approval), where].filter(Boolean);
  return (
    <div className="ca-Task">
      <div className="ca-Task-text" data-testid="codeact-task-text">
        {run.task}
      </div>
      <div className="ca-Task-facts">
        {steps > 0 && (
          <button
            type="button"
            className="ca-Fold"
            aria-expanded={open}
            aria-label={`${open ? 'Hide' : 'Show'} the steps of this task`}
            data-testid="codeact-fold"
            onClick={props.onToggle}
          >
            <Caret.react tag="span" className="ca-Icon" />
            {steps === 1 ? '1 step' : `${count(steps)} steps`}
          </button>
        )}
        <span className="ca-Ellipsis" title={facts.join(' · ')}>
          {facts.join(' · ')}
        </span>
      </div>
    </div>
  );
}

/** How it ended, what it took, and the saved notebook. */
function RunFoot(props: IRunProps): React.JSX.Element {
  const { conversation, run, lost } = props;
  const { openEpisode } = useServices();
  const { episode } = run;
  const took = run.ended === null ? '' : duration(run.ended - run.started);
  const answer = run.steps.find(step => step.status === 'answer');
  const fail = (error: unknown): void => conversation.say(sentenceOf(error));
  return (
    <div className="ca-Foot">
      {run.cause !== '' && (
        <p className="ca-Cause" data-testid="codeact-cause">
          {run.cause}
          {lost && episode !== null && ' What it did until then is saved.'}
        </p>
      )}
      <div className="ca-Foot-line" data-testid="codeact-cost">
        {[runWords(run), took, usageWords(run.usage)].filter(Boolean).join(' · ')}
      </div>
      <div className="ca-Tools">
        {episode !== null && (
          <LinkButton
            testid="codeact-open-episode"
            title={episode}
            onClick={() => void openEpisode(conversation.session, episode).catch(fail)}
          >
            {lost ? 'open the saved notebook' : 'open the episode'}
          </LinkButton>
        )}
        {lost && episode === null && (
          <LinkButton testid="codeact-find-episode" onClick={props.onHistory}>
            look for the saved notebook
          </LinkButton>
        )}
        {answer !== undefined && !props.past && (
          <LinkButton
            testid="codeact-sent"
            label="What was sent to the model for the answer"
            onClick={() => void showSent(conversation, run, answer.index).catch(fail)}
          >
            what was sent
          </LinkButton>
        )}
        <KeepFinal {...props} />
      </div>
    </div>
  );
}

const KEEP_FINAL = 'codeact:keep-final-cells';

/** Failed attempts that a later cell has made good may leave the notebook; the episode keeps them. */
function KeepFinal(props: IRunProps): React.JSX.Element | null {
  const { commands } = useServices();
  const { conversation, run, last, past } = props;
  const [kept, setKept] = React.useState(false);
  const actions = run.steps.filter(step => step.cell_id !== null);
  const failed = actions.slice(0, -1).filter(step => step.status === 'error');
  const { panel } = conversation.session;
  const there = failed.some(
    step => step.cell_id !== null && findCell(panel.content, step.cell_id) !== null
  );
  if (kept || !last || past || !there || !commands.hasCommand(KEEP_FINAL)) {
    return null;
  }
  const keep = async (): Promise<void> => {
    const final = actions[actions.length - 1].cell_id;
    if (final !== null && (await goToCell(panel, final))) {
      await commands.execute(KEEP_FINAL); // it is about the run of the active cell
      setKept(true);
    }
  };
  return (
    <LinkButton
      testid="codeact-keep-final"
      title="Take the failed attempts out of the notebook; the episode keeps them"
      onClick={() => void keep()}
    >
      keep only the final cells
    </LinkButton>
  );
}
