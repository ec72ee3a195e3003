// What the tests ask of the front end, as `window.codeactTest`. Runs in JupyterLab and in Notebook 7.
(() => {
  const runs = new Map();
  let lastRun = 0;

  const panels = () => {
    const shell = window.jupyterapp.shell;
    const widgets = Array.from(shell.widgets('main'));
    return widgets.filter(widget => widget.content?.model?.cells && widget.context);
  };
  const panel = path => {
    const found = panels().find(one => one.context.path === path);
    if (!found) {
      throw new Error(`no notebook ${path} is open`);
    }
    return found;
  };
  const kernelOf = path => panel(path).context.sessionContext.session?.kernel;

  window.codeactTest = {
    ready: path => {
      const found = panels().find(one => one.context.path === path);
      const kernel = found?.context.isReady && found.context.sessionContext.session?.kernel;
      const connected = kernel?.connectionStatus === 'connected' && kernel.status !== 'unknown';
      return !!(connected && kernel.status !== 'starting' && found.content.widgets.length);
    },
    open: path => {
      window.jupyterapp.commands.execute('docmanager:open', { path }).catch(() => undefined);
    },
    // Closes every document, saved or not; says whether the page is as good as new.
    clear: () => {
      for (const widget of Array.from(window.jupyterapp.shell.widgets('main'))) {
        widget.dispose();
      }
      return document.querySelector('.jp-Dialog') === null;
    },
    kernelId: path => kernelOf(path)?.id ?? null,
    cells: path => panel(path).content.model.sharedModel.cells.map(cell => ({
      ...cell.toJSON(),
      id: cell.id,
      state: cell.executionState ?? null
    })),
    insert: (path, index, source, id) => {
      const model = panel(path).content.model.sharedModel;
      const at = index === null ? model.cells.length : index;
      model.insertCell(at, { cell_type: 'code', source, metadata: {}, ...(id ? { id } : {}) });
      return model.cells[at].id;
    },
    remove: (path, index) => panel(path).content.model.sharedModel.deleteCell(index),
    // Begins to run a cell as the user's command does; the promise stays here, `finished` asks for it.
    run: (path, id) => {
      const found = panel(path);
      const cells = found.content.widgets;
      const index = cells.findIndex(cell => cell.model.sharedModel.id === id);
      if (index < 0) {
        throw new Error(`no cell ${id}`);
      }
      window.jupyterapp.shell.activateById(found.id);
      found.content.deselectAll();
      found.content.activeCellIndex = index;
      const run = ++lastRun;
      runs.set(run, false);
      window.jupyterapp.commands.execute('notebook:run-cell').then(
        () => runs.set(run, true),
        () => runs.set(run, true)
      );
      return run;
    },
    finished: run => runs.get(run),
    activate: (path, index) => {
      const found = panel(path);
      window.jupyterapp.shell.activateById(found.id);
      found.content.deselectAll();
      found.content.activeCellIndex = index;
    },
    activeIndex: path => panel(path).content.activeCellIndex,
    // Asks the kernel from this page, without a cell, for the value of an expression as text; `answer` has it later.
    ask: (path, expression) => {
      const future = kernelOf(path).requestExecute({
        code: '',
        silent: true,
        store_history: false,
        user_expressions: { value: expression }
      });
      const run = ++lastRun;
      runs.set(run, null);
      future.done.then(reply => {
        const value = reply.content.user_expressions?.value;
        runs.set(run, value?.data?.['text/plain'] ?? `${value?.ename}: ${value?.evalue}`);
      });
      return run;
    },
    answer: run => runs.get(run),
    // Restarts the kernel as the menu does; `restarted` says when the front end is through with it.
    restart: path => {
      const { sessionContext } = panel(path).context;
      window.codeactRestarted = false;
      sessionContext.kernelChanged.connect(() => {
        window.codeactRestarted = true;
      });
      window.jupyterapp.commands.execute('kernelmenu:restart').catch(() => undefined);
    },
    restarted: path => window.codeactRestarted && kernelOf(path)?.status === 'idle',
    save: async path => {
      await panel(path).context.save();
    },
    command: (id, args) => {
      window.jupyterapp.commands.execute(id, args ?? {}).catch(() => undefined);
    },
    hasCommand: id => window.jupyterapp.commands.hasCommand(id),
    commands: prefix => window.jupyterapp.commands.listCommands().filter(id => id.startsWith(prefix))
  };
})();
