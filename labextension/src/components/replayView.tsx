/**
 * A saved notebook that is run again in this kernel: what it may do, what came of each cell, both sides where they
 * differ, and going on from there.
 */
import React from 'react';

import type { Conversation } from '../conversation';
import type { Replay, ReplayCell, ReplayOutputsReply } from '../protocol';
import type { Replaying } from '../replaying';
import { duration, firstLine, sentenceOf, verdictWords } from '../text';
import { LinkButton, PushButton } from './buttons';
import { Code, Outputs } from './rich';
import { RiskChips } from './riskChips';
import { StatusGlyph } from './statusGlyph';

interface IReplayProps {
  conversation: Conversation;
  replay: Replay;
  /** Called when a task goes on from here. */
  onGone: () => void;
}

export function ReplayView(props: IReplayProps): React.JSX.Element {
  const { conversation, replay } = props;
  const { replaying } = conversation;
  const name = replay.path.split('/').pop() ?? replay.path;
  return (
    <section
      className="ca-Card ca-Replay"
      aria-label={`Replay of ${name}`}
      data-testid="codeact-replay"
      data-state={replay.state}
      data-verdict={replay.verdict}
    >
      <h3 className="ca-Ellipsis" title={replay.path}>
        Replay of {name}
      </h3>
      <Summary replay={replay} />
      {replaying.said !== null && (
        <p className="ca-Card-sentence" role="alert" data-testid="codeact-replay-said">
          {replaying.said}
        </p>
      )}
      <ol className="ca-Replay-cells">
        {replay.cells.map(cell => (
          <CellRow key={cell.number} replaying={replaying} replay={replay} cell={cell} />
        ))}
      </ol>
      <Tools {...props} />
      {replay.step !== null && !isUnderWay(replay) && (
        <GoOn conversation={conversation} step={replay.step} onGone={props.onGone} />
      )}
    </section>
  );
}

function Summary(props: { replay: Replay }): React.JSX.Element {
  const { replay } = props;
  const risky = replay.cells.some(cell => cell.risks.length > 0);
  const begun = replay.cells.some(cell => cell.verdict !== '');
  return (
    <>
      {begun ? (
        <p data-testid="codeact-replay-sentence">
          {`${replay.sentence}, ${duration(replay.seconds)}`}
        </p>
      ) : (
        <p className="ca-Note">
          {`Its cells run on your own variables, in ${replay.folder}. No model is called.`}
          {risky && ' Look at what they may do.'}
        </p>
      )}
      {replay.notes.length > 0 && (
        <ul className="ca-Replay-notes" aria-label="What is not as it was">
          {replay.notes.map((note, at) => (
            <li key={at}>{note}</li>
          ))}
        </ul>
      )}
    </>
  );
}

const GLYPHS = {
  same: 'ok',
  drift: 'ok',
  differs: 'error',
  status: 'error',
  skipped: 'queued',
  'not-run': 'interrupted'
} as const;

function CellRow(props: {
  replaying: Replaying;
  replay: Replay;
  cell: ReplayCell;
}): React.JSX.Element {
  const { replay, cell } = props;
  const [open, setOpen] = React.useState<boolean | null>(null);
  const runs = replay.state === 'running' && replay.next === cell.number;
  const differs = cell.verdict === 'differs' || cell.verdict === 'status';
  const shown = open ?? differs;
  const place = cell.step === null ? `cell ${cell.number}` : `step ${cell.step}`;
  return (
    <li
      className="ca-Replay-cell"
      data-testid="codeact-replay-cell"
      data-number={cell.number}
      data-verdict={cell.verdict}
    >
      <div className="ca-Step-head">
        <StatusGlyph
          status={runs ? 'running' : cell.verdict === '' ? 'queued' : GLYPHS[cell.verdict]}
        />
        <span className="ca-Step-number">{place}</span>
        <span className="ca-Step-status">
          {runs ? 'running' : verdictWords(cell.verdict, cell.skip)}
        </span>
        <LinkButton
          testid="codeact-replay-code"
          label={`${shown ? 'Hide' : 'Show'} the code of ${place}`}
          onClick={() => setOpen(!shown)}
        >
          {shown ? 'hide' : 'code'}
        </LinkButton>
      </div>
      {!shown && <code className="ca-Ellipsis ca-Replay-line">{firstLine(cell.source)}</code>}
      {shown && <Code source={cell.source} label={`Code of ${place}`} />}
      <RiskChips risks={cell.risks} />
      {cell.reason !== '' && <p className="ca-Note ca-Card-sentence">{cell.reason}</p>}
      {differs && <Sides {...props} />}
    </li>
  );
}

/** Recorded and new output beside each other. */
function Sides(props: {
  replaying: Replaying;
  replay: Replay;
  cell: ReplayCell;
}): React.JSX.Element | null {
  const { replaying, replay, cell } = props;
  const [sides, setSides] = React.useState<ReplayOutputsReply | string | null>(null);
  React.useEffect(() => {
    let gone = false;
    replaying
      .outputs(replay.name, cell.number)
      .then(reply => !gone && setSides(reply))
      .catch((error: unknown) => !gone && setSides(sentenceOf(error)));
    return () => {
      gone = true;
    };
  }, [replaying, replay.name, cell.number]);
  if (sides === null || typeof sides === 'string') {
    return sides === null ? null : <p className="ca-Note">{sides}</p>;
  }
  return (
    <div className="ca-Sides" data-testid="codeact-replay-sides">
      {(['recorded', 'now'] as const).map(side => (
        <figure key={side} data-side={side}>
          <figcaption>{side}</figcaption>
          {sides[side].length === 0 ? (
            <p className="ca-Note">nothing</p>
          ) : (
            <Outputs outputs={sides[side]} />
          )}
        </figure>
      ))}
    </div>
  );
}

function Tools(props: IReplayProps): React.JSX.Element {
  const { conversation, replay } = props;
  const { replaying } = conversation;
  const blocked = conversation.busy;
  return (
    <div className="ca-Buttons">
      {replay.state === 'ready' && (
        <>
          <PushButton
            kind="primary"
            testid="codeact-replay-all"
            disabled={blocked}
            onClick={() => void replaying.run()}
          >
            {replay.step === null && replay.cells.every(cell => cell.verdict === '')
              ? 'Run all cells'
              : 'Run the rest'}
          </PushButton>
          <PushButton
            testid="codeact-replay-next"
            disabled={blocked}
            onClick={() => void replaying.run(1)}
          >
            Run the next one
          </PushButton>
        </>
      )}
      {isUnderWay(replay) && (
        <PushButton kind="warn" testid="codeact-replay-stop" onClick={() => replaying.stop()}>
          Stop
        </PushButton>
      )}
      <PushButton testid="codeact-replay-close" onClick={() => replaying.close()}>
        Back
      </PushButton>
    </div>
  );
}

/** A task of its own after the last step that ran again, by the model that is picked below. */
function GoOn(props: {
  conversation: Conversation;
  step: number;
  onGone: () => void;
}): React.JSX.Element {
  const { conversation, step, onGone } = props;
  const [task, setTask] = React.useState('');
  const go = (): void => {
    void conversation.goOn(task).then(gone => gone && onGone());
  };
  return (
    <form
      className="ca-GoOn"
      aria-label={`Go on after step ${step}`}
      onSubmit={event => {
        event.preventDefault();
        go();
      }}
    >
      <input
        type="text"
        className="ca-Input"
        value={task}
        placeholder="the same task, or another one"
        aria-label={`Task to go on with after step ${step}`}
        data-testid="codeact-go-on-task"
        onChange={event => setTask(event.target.value)}
      />
      <PushButton
        testid="codeact-go-on"
        disabled={conversation.busy}
        title={`A new episode begins with these steps, written by ${conversation.model === '' ? 'the set model' : conversation.model}; the old one stays as it is`}
        onClick={go}
      >
        {`Go on after step ${step}`}
      </PushButton>
    </form>
  );
}

function isUnderWay(replay: Replay): boolean {
  return replay.state === 'running' || replay.state === 'queued';
}
