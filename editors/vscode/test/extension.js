// The client without VS Code: stand-ins for its two modules, and what the client asks of them.
'use strict';

const assert = require('assert');
const Module = require('module');
const path = require('path');

const asked = { commands: {}, clients: [], tasks: [], errors: [], stopped: 0 };
const values = { path: '/opt/jemscript', lib: ['shared'], arguments: ['epochs=5'] };
const file = { fsPath: '/home/ada/a b.rhai' };
let failing = false;
let listener;

const vscode = {
    Task: class {
        constructor(...all) {
            [this.definition, this.scope, this.name, this.source, this.execution] = all;
        }
    },
    ProcessExecution: class {
        constructor(program, args, options) {
            Object.assign(this, { program, args, options });
        }
    },
    TaskScope: { Workspace: 2 },
    TaskRevealKind: { Always: 1 },
    Uri: { parse: () => file, file: () => file },
    commands: {
        registerCommand: (name, work) => ((asked.commands[name] = work), {}),
        executeCommand: () => {},
    },
    tasks: { executeTask: async (task) => asked.tasks.push(task) },
    window: {
        activeTextEditor: { document: { uri: file } },
        showErrorMessage: async (text) => void asked.errors.push(text),
    },
    workspace: {
        textDocuments: [{ uri: file, isDirty: true, save: async () => (asked.saved = true) }],
        getConfiguration: () => ({ get: (key) => values[key] }),
        getWorkspaceFolder: () => ({ uri: { fsPath: '/work' } }),
        createFileSystemWatcher: () => ({}),
        onDidChangeConfiguration: (work) => ((listener = work), {}),
    },
};

class LanguageClient {
    constructor(id, name, server, options) {
        asked.clients.push({ server, options });
    }

    async start() {
        if (failing) {
            throw new Error('spawn ENOENT');
        }
    }

    async stop() {
        asked.stopped += 1;
    }
}

const load = Module._load;
Module._load = (name, ...rest) => {
    if (name === 'vscode') {
        return vscode;
    }
    return name === 'vscode-languageclient/node' ? { LanguageClient } : load(name, ...rest);
};

async function main() {
    const extension = require(path.join('..', 'extension.js'));
    const context = { subscriptions: [] };
    await extension.activate(context);
    const [{ server, options }] = asked.clients;
    assert.deepStrictEqual(server, { command: '/opt/jemscript', args: ['lsp'] });
    assert.deepStrictEqual(options.initializationOptions, { lib: ['shared'], lenses: true });

    const manifest = require('../package.json');
    for (const { command } of manifest.contributes.commands) {
        assert.ok(asked.commands[command], `${command} is not registered`);
    }
    await asked.commands['jemscript.run']('file:///home/ada/a%20b.rhai');
    await asked.commands['jemscript.dryRun'](undefined);
    const words = asked.tasks.map((t) => t.execution.args);
    assert.deepStrictEqual(words, [
        ['/home/ada/a b.rhai', 'epochs=5', '--lib', 'shared'],
        ['--dry-run', '/home/ada/a b.rhai', 'epochs=5', '--lib', 'shared'],
    ]);
    assert.ok(asked.saved && asked.tasks.every((t) => t.execution.options.cwd === '/work'));

    // Another program: the server is started again. One that is not there: a sentence.
    failing = true;
    await listener({ affectsConfiguration: (key) => key === 'jemscript.path' });
    assert.strictEqual(asked.stopped, 1);
    assert.match(asked.errors[0], /jemscript\.path/);
    failing = false;
    await asked.commands['jemscript.restart']();
    assert.strictEqual(asked.clients.length, 3);
    await extension.deactivate();
    assert.strictEqual(asked.stopped, 2);
    console.log('extension: ok');
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
