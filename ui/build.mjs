// Bundles the dashboard into src/cityloop/web/static. With --check it builds beside and compares, and writes nothing.
import { build } from "esbuild";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";

const HERE = dirname(fileURLToPath(import.meta.url));
const COMMITTED = join(HERE, "..", "src", "cityloop", "web", "static");
const LARGEST_KB = 220;
const SHIPPED = ["preact", "@preact/signals", "@preact/signals-core", "uplot"];

/** Bundle into `out`; the same sources give the same bytes. */
async function bundle(out) {
  mkdirSync(out, { recursive: true });
  await build({
    entryPoints: { app: join(HERE, "src", "main.tsx") },
    outdir: join(out, "assets"),
    bundle: true,
    minify: true,
    format: "esm",
    target: ["es2022", "chrome109", "firefox115", "safari16"],
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    charset: "utf8",
    absWorkingDir: HERE,
    logLevel: "warning",
  });
  cpSync(join(HERE, "public"), out, { recursive: true });
  const licences = SHIPPED.map((name) => {
    const folder = join(HERE, "node_modules", name);
    const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    return `${name} ${version}\n\n${readFileSync(join(folder, "LICENSE"), "utf8").trim()}\n`;
  });
  writeFileSync(join(out, "assets", "LICENSES.txt"), licences.join(`\n${"-".repeat(72)}\n\n`));
  pack(out);
}

/** Beside each script and style its gzip, so that a server of few cores compresses nothing on request. */
function pack(out) {
  for (const name of readdirSync(join(out, "assets")).filter((name) => /\.(js|css)$/.test(name))) {
    writeFileSync(join(out, "assets", `${name}.gz`), gzipSync(readFileSync(join(out, "assets", name)), { level: 9 }));
  }
}

/** Print the compressed size of scripts and styles, and fail above the bound. */
function weigh(folder) {
  const sizes = readdirSync(folder, { recursive: true })
    .filter((name) => /\.(js|css)$/.test(name))
    .map((name) => [name, gzipSync(readFileSync(join(folder, name)), { level: 9 }).length / 1000]);
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  console.log([...sizes, ["together", total]].map(([name, size]) => `${name} ${size.toFixed(1)} KB`).join(", ") + " (gzip)");
  if (total > LARGEST_KB) throw new Error(`Scripts and styles take ${total.toFixed(0)} KB, at most ${LARGEST_KB} are allowed.`);
}

/** Names of files that differ between two folders. */
function differing(one, other) {
  const files = (folder) => readdirSync(folder, { recursive: true, withFileTypes: true }).filter((f) => f.isFile()).map((f) => join(f.parentPath, f.name).slice(folder.length + 1));
  const names = new Set([...files(one), ...files(other)]);
  const bytes = (folder, name) => {
    try {
      const found = readFileSync(join(folder, name));
      // Compressed files are compared by what is in them: their bytes differ from one zlib to the next.
      return name.endsWith(".gz") ? gunzipSync(found) : found;
    } catch {
      return null;
    }
  };
  return [...names].filter((name) => {
    const [a, b] = [bytes(one, name), bytes(other, name)];
    return !a || !b || !a.equals(b);
  });
}

if (process.argv.includes("--check")) {
  const fresh = mkdtempSync(join(tmpdir(), "cityloop-ui-"));
  try {
    await bundle(fresh);
    weigh(fresh);
    const stale = differing(fresh, COMMITTED);
    if (stale.length) {
      console.error(`src/cityloop/web/static is not what ui/ builds: ${stale.sort().join(", ")}; run make ui-build and commit it.`);
      process.exitCode = 1;
    }
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
} else {
  await bundle(COMMITTED);
  weigh(COMMITTED);
}
