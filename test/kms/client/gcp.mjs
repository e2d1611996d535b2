// Usage: node gcp.mjs, with the environment that check-gcp names
//
// The life of a data key at a real Cloud KMS: wrap, unwrap, revoke, give back. Says what it does.
import {randomBytes} from 'node:crypto';
import {setTimeout as sleep} from 'node:timers/promises';
import {client, CODE, disposableKey, done, failure, is, note, ok} from './lib.mjs';

const {KEYRING_GCP_KEY: name, KEYRING_GCP_ENDPOINT: endpoint} = process.env;
const user = client(endpoint, {keyFilename: process.env.GOOGLE_APPLICATION_CREDENTIALS});
const owner = client(endpoint, {keyFilename: process.env.KEYRING_GCP_OWNER_CREDENTIALS});
const LONGEST_WAIT = 300_000; // a change of state is "normally within a minute"
const additionalAuthenticatedData = Buffer.from('keyring/v1/check-gcp');
const dataKey = randomBytes(64);

async function until(what, attempt) {
  const start = Date.now();
  while (!(await attempt())) {
    if (Date.now() - start > LONGEST_WAIT) return ok(false, `${what}, within ${LONGEST_WAIT / 1000} s`);
    await sleep(1000);
  }
  return ok(true, `${what}, after ${((Date.now() - start) / 1000).toFixed(1)} s`);
}

async function setState(version, state) {
  note(`as the owner: ${version} becomes ${state}`);
  await owner.updateCryptoKeyVersion({cryptoKeyVersion: {name: version, state}, updateMask: {paths: ['state']}});
}

note(`key ${name}`);
const key = await disposableKey(owner, name);
is(key.purpose, 'ENCRYPT_DECRYPT', 'the key is for encryption');
is(key.primary?.state, 'ENABLED', 'its primary version is enabled');
const [wrapped] = await user.encrypt({name, plaintext: dataKey, additionalAuthenticatedData});
const version = wrapped.name;
ok(version.startsWith(`${name}/cryptoKeyVersions/`), `wrapped ${dataKey.length} bytes with ${version}`);
note(`the wrap has ${wrapped.ciphertext.length} bytes, protection level ${wrapped.protectionLevel}`);
const permissions = ['useToEncrypt', 'useToDecrypt'].map(verb => `cloudkms.cryptoKeyVersions.${verb}`);
const granted = async resource => (await user.testIamPermissions({resource, permissions}))[0].permissions.join(' ');
is(await granted(name), permissions.join(' '), 'testIamPermissions names what was just used');
is(await granted(name.replace(/[^/]+$/, 'no-such-key')), '', 'and nothing for a key that does not exist');
const unwrap = () => user.decrypt({name, ciphertext: wrapped.ciphertext, additionalAuthenticatedData});
ok(dataKey.equals((await unwrap())[0].plaintext), 'unwrapped, the same');
const other = {additionalAuthenticatedData: Buffer.from('other')};
const wrong = await failure(user.decrypt({name, ciphertext: wrapped.ciphertext, ...other}));
is(wrong.code, CODE.INVALID_ARGUMENT, `refused with other additional data: ${wrong.message}`);

let refused;
process.once('SIGINT', () => setState(version, 'ENABLED').finally(() => process.exit(130)));
try {
  await setState(version, 'DISABLED');
  await until('refused', async () => /is not enabled/.test((refused = await failure(unwrap())).message));
  note(`the service says: ${refused.message}`);
} finally {
  await setState(version, 'ENABLED');
}
await until('unwrapped again', async () => (await failure(unwrap())).code === undefined);
done();
