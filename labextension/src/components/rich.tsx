/**
 * Rich content of the kernel's: Markdown, code and outputs. All of it is untrusted.
 */
import type * as nbformat from '@jupyterlab/nbformat';
import { OutputAreaModel, SimplifiedOutputArea } from '@jupyterlab/outputarea';
import { MimeModel } from '@jupyterlab/rendermime';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import React from 'react';

import type { NbOutput } from '../protocol';
import { useServices } from './services';

/** Put a Lumino widget into an element, and take it out again. React may have removed the element before. */
function attach(widget: Widget, host: HTMLElement): () => void {
  MessageLoop.sendMessage(widget, Widget.Msg.BeforeAttach);
  host.appendChild(widget.node);
  MessageLoop.sendMessage(widget, Widget.Msg.AfterAttach);
  return () => {
    if (widget.isAttached) {
      MessageLoop.sendMessage(widget, Widget.Msg.BeforeDetach);
      widget.node.remove();
      MessageLoop.sendMessage(widget, Widget.Msg.AfterDetach);
    }
    widget.dispose();
  };
}

/** Markdown, sanitised by JupyterLab. */
export const Markdown = React.memo(function Markdown(props: {
  source: string;
  testid?: string;
}): React.JSX.Element {
  const { rendermime } = useServices();
  const host = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    const renderer = rendermime.createRenderer('text/markdown');
    const data = { 'text/markdown': props.source };
    let detach: (() => void) | null = null;
    let gone = false;
    void renderer.renderModel(new MimeModel({ data, trusted: false })).then(() => {
      if (!gone && host.current !== null) {
        host.current.replaceChildren();
        detach = attach(renderer, host.current);
      }
    });
    return () => {
      gone = true;
      detach?.();
    };
  }, [rendermime, props.source]);
  return <div className="ca-Markdown" ref={host} data-testid={props.testid} />;
});

/** Code, coloured and read-only; long code scrolls inside its block. */
export const Code = React.memo(function Code(props: {
  source: string;
  label: string;
}): React.JSX.Element {
  const { languages } = useServices();
  const host = React.useRef<HTMLElement>(null);
  React.useEffect(() => {
    let gone = false;
    const coloured = document.createElement('code');
    if (host.current?.hasChildNodes() === false) {
      host.current.textContent = props.source;
    }
    void languages
      .highlight(props.source, languages.findBest('ipython'), coloured)
      .then(() => {
        if (!gone) {
          host.current?.replaceChildren(...coloured.childNodes);
        }
      })
      .catch(() => {
        if (!gone && host.current !== null) {
          host.current.textContent = props.source;
        }
      });
    return () => {
      gone = true;
    };
  }, [languages, props.source]);
  return (
    // A block that scrolls must be reachable by keyboard.
    <pre
      className="ca-Code"
      tabIndex={0}
      role="region"
      aria-label={props.label}
      data-testid="codeact-code"
    >
      <code ref={host} />
    </pre>
  );
});

/** Outputs of a cell, as the notebook would show them. */
export function Outputs(props: { outputs: NbOutput[] }): React.JSX.Element {
  const { rendermime } = useServices();
  const host = React.useRef<HTMLDivElement>(null);
  const model = React.useRef<OutputAreaModel | null>(null);
  React.useEffect(() => {
    const area = new SimplifiedOutputArea({
      model: new OutputAreaModel({ trusted: false }),
      rendermime
    });
    model.current = area.model as OutputAreaModel;
    const detach = host.current === null ? () => area.dispose() : attach(area, host.current);
    return () => {
      model.current = null;
      detach();
    };
  }, [rendermime]);
  React.useEffect(() => {
    model.current?.fromJSON(props.outputs as unknown as nbformat.IOutput[]);
  }, [props.outputs]);
  return <div className="ca-Outputs" ref={host} data-testid="codeact-outputs" />;
}
