/**
 * The few kinds of buttons of the panel.
 */
import type { LabIcon } from '@jupyterlab/ui-components';
import React from 'react';

interface IIconButtonProps {
  icon: LabIcon;
  /** Name of the control, also its tooltip. */
  label: string;
  testid: string;
  onClick: () => void;
  disabled?: boolean;
  pressed?: boolean;
}

/** A button that shows an icon only. */
export function IconButton(props: IIconButtonProps): React.JSX.Element {
  return (
    <button
      type="button"
      className="ca-IconButton"
      title={props.label}
      aria-label={props.label}
      aria-pressed={props.pressed}
      disabled={props.disabled}
      data-testid={props.testid}
      onClick={props.onClick}
    >
      <props.icon.react tag="span" className="ca-Icon" />
    </button>
  );
}

interface ILinkButtonProps {
  testid: string;
  onClick: () => void;
  children: React.ReactNode;
  title?: string;
  label?: string;
  disabled?: boolean;
  expanded?: boolean;
}

/** A button that reads like a link. */
export function LinkButton(props: ILinkButtonProps): React.JSX.Element {
  return (
    <button
      type="button"
      className="ca-LinkButton"
      title={props.title}
      aria-label={props.label}
      aria-expanded={props.expanded}
      disabled={props.disabled}
      data-testid={props.testid}
      onClick={props.onClick}
    >
      {props.children}
    </button>
  );
}

interface IPushButtonProps extends ILinkButtonProps {
  kind?: 'plain' | 'primary' | 'warn';
}

/** A button with a face. */
export function PushButton(props: IPushButtonProps): React.JSX.Element {
  return (
    <button
      type="button"
      className={`ca-Button ca-mod-${props.kind ?? 'plain'}`}
      title={props.title}
      aria-label={props.label}
      aria-expanded={props.expanded}
      disabled={props.disabled}
      data-testid={props.testid}
      onClick={props.onClick}
    >
      {props.children}
    </button>
  );
}
