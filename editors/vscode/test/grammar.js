// The grammar, by the engine that VS Code colours with: known words get their scopes, and all
// scripts of the repository end as they began.
'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const textmate = require('vscode-textmate');
const oniguruma = require('vscode-oniguruma');

const root = path.join(__dirname, '..', '..', '..');

function scripts(folder) {
    return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const inside = path.join(folder, entry.name);
        if (entry.isDirectory()) {
            return scripts(inside);
        }
        return inside.endsWith('.rhai') ? [inside] : [];
    });
}

/** The scopes of each piece of a text, line by line. */
function tokens(grammar, text) {
    let stack = textmate.INITIAL;
    const found = [];
    for (const line of text.split('\n')) {
        const result = grammar.tokenizeLine(line, stack);
        stack = result.ruleStack;
        for (const t of result.tokens) {
            found.push({ text: line.slice(t.startIndex, t.endIndex), scopes: t.scopes.join(' ') });
        }
    }
    return { found, stack };
}

async function main() {
    const wasm = fs.readFileSync(require.resolve('vscode-oniguruma/release/onig.wasm'));
    await oniguruma.loadWASM(wasm.buffer.slice(wasm.byteOffset, wasm.byteOffset + wasm.length));
    const file = path.join(__dirname, '..', 'syntaxes', 'jemscript.tmLanguage.json');
    const registry = new textmate.Registry({
        onigLib: Promise.resolve({
            createOnigScanner: (all) => new oniguruma.OnigScanner(all),
            createOnigString: (text) => new oniguruma.OnigString(text),
        }),
        loadGrammar: async () => textmate.parseRawGrammar(fs.readFileSync(file, 'utf8'), file),
    });
    const grammar = await registry.loadGrammar('source.jemscript');

    const text = [
        'import "lib/x" as lib; // one',
        'const K = 1_000; let é = 3e-4;',
        'fn fit(a) { nn::linear(2, 1.5).forward(a).shape }',
        'let o = #{ steps: 20, "b": `x ${K + 1} \\n` }; /* a /* b */ c */ true',
        'for i in 0..3 { print(this) }',
    ].join('\n');
    const { found } = tokens(grammar, text);
    const wanted = {
        import: 'keyword.control.import',
        '"lib/x': 'string.quoted.double',
        lib: 'entity.name.namespace',
        '// one': 'comment.line',
        K: 'constant',
        '1_000': 'constant.numeric',
        '3e-4': 'constant.numeric',
        fit: 'entity.name.function',
        nn: 'entity.name.namespace',
        linear: 'entity.name.function.call',
        '1.5': 'constant.numeric',
        forward: 'entity.name.function.member',
        shape: 'variable.other.property',
        steps: 'variable.other.property.key',
        '20': 'constant.numeric',
        '${': 'meta.interpolation',
        '+': 'keyword.operator',
        '\\n': 'constant.character.escape',
        true: 'constant.language',
        in: 'keyword.control',
        '0': 'constant.numeric',
        '..': 'keyword.operator',
        print: 'support.function',
        this: 'variable.language',
    };
    for (const [piece, scope] of Object.entries(wanted)) {
        // A text's first piece is its quote, its second what is in it.
        const plain = piece.replace(/^"/, '');
        const all = found.filter((t) => t.text.trim() === plain).map((t) => t.scopes);
        assert.ok(all.some((s) => s.includes(scope)), `${piece}: ${scope} is not in ${all}`);
    }
    const block = found.filter((t) => t.scopes.includes('comment.block'));
    assert.strictEqual(block.map((t) => t.text).join(''), '/* a /* b */ c */');

    const all = scripts(path.join(root, 'scripts'));
    assert.ok(all.length >= 30);
    for (const script of all) {
        const read = fs.readFileSync(script, 'utf8');
        const { found: pieces, stack } = tokens(grammar, read);
        assert.strictEqual(stack.depth, 1, `${script}: something is left open`);
        // A comment is a comment, and nothing else begins with two slashes.
        for (const t of pieces.filter((t) => t.text.startsWith('//'))) {
            assert.ok(/comment|string/.test(t.scopes), `${script}: ${t.text}: ${t.scopes}`);
        }
    }
    console.log(`grammar: ok, ${all.length} scripts`);
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
