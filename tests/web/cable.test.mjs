// The lines of the page's own connection hide the password, also those that are not well formed.
import assert from "node:assert/strict";
import { test } from "node:test";

import { masked } from "../../classcord/web/cable.js";

test("a password is hidden in what somebody types wrong", () => {
  for (const line of [
    '{"type":"login","username":"bob","password":"s3cr3t"}', '{"type":"login","username":"bob","password";"s3cr3t"}',
    '{"type":"login","username":"bob","pasword":"s3cr3t"}', "connexion bob s3cr3t", "user=bob password s3cr3t",
    '{"password":x,s3cr3t}', "“password”:“x, s3cr3t”", '{"type":"login","password":"x"s3cr3t"}', '"{\\"password\\":\\"x,s3cr3t\\"}"',
  ]) assert.ok(!masked(line).includes("s3cr3t"), masked(line));
});

test("other lines are shown whole", () => {
  for (const line of ['{"type":"users",}', "bonjour", '{"type":"message","content":"mot de passe oublié"}', '{"type":"login","status":"ok"}'])
    assert.equal(masked(line), line);
});
