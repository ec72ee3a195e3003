/**
 * The user's settings of the panel. No secrets, and never the mode `auto`.
 */
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type { Mode } from './protocol';

export type Side = 'left' | 'right';

export class PanelSettings {
  /** Follow `settings`; without them (no registry) the defaults hold. */
  constructor(settings: ISettingRegistry.ISettings | null) {
    this._settings = settings;
    settings?.changed.connect(() => this._changed.emit());
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** What the user chose as the default mode, or null: then the kernel's own setting holds. */
  get approval(): Mode | null {
    const value = this._get('approval');
    return value === 'plan' || value === 'ask' || value === 'ask-if-risky' ? value : null;
  }

  /** Most steps of a task, or null: then the kernel's own setting holds. */
  get maxSteps(): number | null {
    const value = this._get('maxSteps');
    return typeof value === 'number' && value >= 1 ? Math.floor(value) : null;
  }

  /** Whether the answer is also put into the notebook, below the last cell of the run. */
  get insertAnswerCell(): boolean {
    return this._get('insertAnswerCell') !== false;
  }

  /** What a run does when the last page that shows it is closed, or null: the kernel's own setting holds. */
  get whenClosed(): 'go-on' | 'wait' | null {
    const value = this._get('whenClosed');
    return value === 'go-on' || value === 'wait' ? value : null;
  }

  get side(): Side {
    return this._get('side') === 'right' ? 'right' : 'left';
  }

  private _get(key: string): unknown {
    return this._settings?.get(key).composite;
  }

  private readonly _settings: ISettingRegistry.ISettings | null;
  private readonly _changed = new Signal<this, void>(this);
}
