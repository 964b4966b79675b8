// The client: starts `jemscript lsp`, and runs scripts where a lens is clicked.
'use strict';

const path = require('path');
const vscode = require('vscode');
const { LanguageClient } = require('vscode-languageclient/node');

let client;

function settings() {
    return vscode.workspace.getConfiguration('jemscript');
}

function program() {
    return settings().get('path') || 'jemscript';
}

async function start() {
    const command = program();
    client = new LanguageClient(
        'jemscript',
        'jemscript',
        { command, args: ['lsp'] },
        {
            documentSelector: ['file', 'untitled', 'vscode-notebook-cell'].map((scheme) => ({
                language: 'jemscript',
                scheme,
            })),
            initializationOptions: { lib: settings().get('lib') || [], lenses: true },
            synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher('**/*.rhai') },
        },
    );
    try {
        await client.start();
    } catch (error) {
        client = undefined;
        const answer = await vscode.window.showErrorMessage(
            `"${command} lsp" did not start (${error.message || error}). Is the program installed? `
                + 'The setting "jemscript.path" says where it is.',
            'Open the setting',
        );
        if (answer) {
            vscode.commands.executeCommand('workbench.action.openSettings', 'jemscript.path');
        }
    }
}

async function stop() {
    const running = client;
    client = undefined;
    if (running) {
        await running.stop();
    }
}

/** Runs a script as a task: what it prints is in the terminal, and Ctrl-C there keeps the state. */
async function run(where, before) {
    const uri = typeof where === 'string' ? vscode.Uri.parse(where) : where;
    const file = (uri || vscode.window.activeTextEditor?.document.uri)?.fsPath;
    if (!file) {
        return;
    }
    const open = vscode.workspace.textDocuments.find((d) => d.uri.fsPath === file);
    if (open?.isUntitled) {
        vscode.window.showInformationMessage('Save the script first: a run reads its file.');
        return;
    }
    if (open?.isDirty) {
        await open.save();
    }
    const folder = vscode.workspace.getWorkspaceFolder(vscode.Uri.file(file));
    const lib = (settings().get('lib') || []).flatMap((l) => ['--lib', l]);
    const all = [...before, file, ...(settings().get('arguments') || []), ...lib];
    const name = `${before.length ? 'dry run' : 'run'}: ${path.basename(file)}`;
    const task = new vscode.Task(
        { type: 'jemscript' },
        folder || vscode.TaskScope.Workspace,
        name,
        'jemscript',
        // Its words go to the program as they are: no shell reads them.
        new vscode.ProcessExecution(program(), all, {
            cwd: folder ? folder.uri.fsPath : path.dirname(file),
        }),
    );
    task.presentationOptions = { reveal: vscode.TaskRevealKind.Always, clear: true };
    await vscode.tasks.executeTask(task);
}

async function activate(context) {
    const command = (name, work) =>
        context.subscriptions.push(vscode.commands.registerCommand(name, work));
    command('jemscript.run', (uri) => run(uri, []));
    command('jemscript.dryRun', (uri) => run(uri, ['--dry-run']));
    command('jemscript.restart', async () => {
        await stop();
        await start();
    });
    context.subscriptions.push(
        vscode.workspace.onDidChangeConfiguration(async (change) => {
            if (['path', 'lib'].some((key) => change.affectsConfiguration(`jemscript.${key}`))) {
                await stop();
                await start();
            }
        }),
    );
    await start();
}

module.exports = { activate, deactivate: stop };
