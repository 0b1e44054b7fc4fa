import assert from "node:assert/strict";
import { test } from "node:test";
import { decodedHost } from "../src/data/text/punycode.ts";
import { marksOf, partsOf, placeOf } from "../src/data/text/urls.ts";

const hostOf = (url: string) => partsOf(url).host;
const marks = (url: string) => marksOf(url).map(({ short }) => short);

test("the parts of a URL are the URL again", () => {
  for (const url of ["https://a.example:8/b?c#d", "https://u:p@[::1]:80/x", "com.a:/b", "nothing", "https:///x", "https://a\\@b/"]) {
    const { before, user, host, after } = partsOf(url);
    assert.equal(before + user + host + after, url);
  }
});

test("the host is what follows the last @", () =>
  assert.equal(hostOf("https://good.example@x@evil.example/cb"), "evil.example"));

test("a port is no part of the host", () => assert.equal(hostOf("https://[::1]:8080/"), "[::1]"));

test("a URL without a host is placed by its scheme", () => assert.equal(placeOf("com.example:/cb"), "com.example:"));

test("punycode is decoded", () => {
  assert.equal(decodedHost("xn--bcher-kva.example"), "bücher.example");
  assert.equal(decodedHost("xn--80ak6aa92e.com"), "аррӏе.com");
  assert.equal(decodedHost("xn--ls8h.la"), "💩.la");
});

test("what is no punycode stays as it is", () => assert.equal(decodedHost("xn--a_!.example"), "xn--a_!.example"));

test("an ordinary URL has no mark", () => assert.deepEqual(marks("https://app.example/callback"), []));

test("each oddity has its mark", () => {
  const cases: [string, string][] = [
    ["javascript:alert(1)", "runs or opens"],
    ["java\nscript:alert(1)", "runs or opens"],
    ["https://good.example@evil.example/", "text before @"],
    ["https://good.example\\@evil.example/", "backslash"],
    ["http://app.example/cb", "not encrypted"],
    ["https://p\u0430yroll.example/", "mixed letters"],
    ["https://xn--kilry-fye.example/cb", "punycode"],
    ["https://bücher.example/", "not ASCII"],
    ["https://*.app.example/", "asterisk"],
    ["https://app.example/#x", "fragment"],
    ["app.example/cb", "malformed"],
    ["https://app.example/a b", "forbidden characters"],
    ["http://127.0.0.1/cb", "this device"],
    ["com.example.app:/cb", "own scheme"],
  ];
  for (const [url, mark] of cases) assert.ok(marks(url).includes(mark), `${url}: ${marks(url)}`);
});

test("plain http to this device is no danger", () => assert.deepEqual(marks("http://localhost:3000/cb"), ["this device"]));
