// Usage: node fidelity.mjs SERVER.JSON, with NODE_EXTRA_CA_CERTS
//
// Does Google's own client find in the KMS of the tests what it expects of the service?
import fs from 'node:fs';
import {Compute, JWT} from 'google-auth-library';
import {client, CODE, done, failure, is, ok} from './lib.mjs';

const server = JSON.parse(fs.readFileSync(process.argv[2]));
const ring = 'projects/acme/locations/europe-west1/keyRings/ring';
const name = `${ring}/cryptoKeys/k`;
const USER = 'roles/cloudkms.cryptoKeyEncrypterDecrypter';
const VIEWER = 'roles/cloudkms.viewer';
const SCOPE = 'https://www.googleapis.com/auth/cloudkms';

async function control(call, args) {
  const answer = await fetch(`${server.control}/${call}`, {method: 'POST', body: JSON.stringify(args)});
  const {result, error} = await answer.json();
  if (error) throw new Error(error);
  return result;
}
const binding = (call, role, resource = name) => control(call, {resource, role, member: server.member});
const wire = Object.fromEntries(['plaintext', 'additionalAuthenticatedData', 'ciphertext'].map(field =>
  [field, text => ({[field]: Buffer.from(text)})]));

await control('create_key', {name, protection_level: 'HSM', rotation: 86400});
await binding('grant', USER);
const google = client(server.endpoint, {keyFilename: server.credentials_file});
const request = {name, ...wire.plaintext('a data key'), ...wire.additionalAuthenticatedData('context')};
const decrypt = (ciphertext, more) =>
  google.decrypt({name, ciphertext, additionalAuthenticatedData: Buffer.from('context'), ...more});

// --- what works ---
const [sealed] = await google.encrypt({...request, plaintextCrc32c: {value: 3867330899}}).catch(error => [error]);
is(sealed.code, CODE.INVALID_ARGUMENT, 'a wrong checksum is refused');
const [wrapped] = await google.encrypt(request);
is(wrapped.name, `${name}/cryptoKeyVersions/1`, 'encrypt names the version');
is(wrapped.protectionLevel, 'HSM', 'and the protection level');
is(wrapped.verifiedPlaintextCrc32c, false, 'no checksum sent, none verified');
ok(Number(wrapped.ciphertextCrc32c.value) > 0, 'the checksum of the ciphertext is an Int64Value');
const [opened] = await decrypt(wrapped.ciphertext);
is(opened.plaintext.toString(), 'a data key', 'decrypt gives the plaintext back');
is(opened.usedPrimary, true, 'made by the primary version');
const [checked] = await google.encrypt({name, ...wire.plaintext('123456789'), plaintextCrc32c: {value: 0xE3069283}});
is(checked.verifiedPlaintextCrc32c, true, 'the check value of CRC-32C is verified');

// --- who may ---
const hidden = await failure(google.getCryptoKey({name}));
is(hidden.code, CODE.PERMISSION_DENIED, 'the role for crypto does not read the key');
is(hidden.reason, 'IAM_PERMISSION_DENIED', 'with a reason');
await binding('grant', VIEWER);
const [key] = await google.getCryptoKey({name});
is(key.purpose, 'ENCRYPT_DECRYPT', 'getCryptoKey: purpose');
is(key.primary.state, 'ENABLED', 'state of the primary version');
is(key.primary.algorithm, 'GOOGLE_SYMMETRIC_ENCRYPTION', 'algorithm');
is(Number(key.rotationPeriod.seconds), 86400, 'rotation period');
ok(Number(key.nextRotationTime.seconds) > Date.now() / 1000, 'time of the next rotation', key.nextRotationTime);
await binding('revoke', USER);
const denied = await failure(decrypt(wrapped.ciphertext));
is(denied.code, CODE.PERMISSION_DENIED, 'denied');
is(denied.errorInfoMetadata?.permission, 'cloudkms.cryptoKeyVersions.useToDecrypt', 'naming the permission');
is((await failure(google.encrypt(request))).code, CODE.PERMISSION_DENIED, 'denied to encrypt');

// --- what is granted, as whoever asks is told ---
const use = ['useToEncrypt', 'useToDecrypt'].map(verb => `cloudkms.cryptoKeyVersions.${verb}`);
const asked = [...use, 'cloudkms.cryptoKeys.get'];
const granted = async (more = {}) =>
  (await google.testIamPermissions({resource: name, permissions: asked, ...more}))[0].permissions.join(' ');
is(await granted(), 'cloudkms.cryptoKeys.get', 'testIamPermissions: the role for metadata');
await binding('revoke', VIEWER);
is(await granted(), '', 'nothing is granted, and no permission is needed to learn that');
await binding('grant', 'roles/cloudkms.cryptoKeyDecrypter');
is(await granted(), use[1], 'the role that decrypts');
await binding('revoke', 'roles/cloudkms.cryptoKeyDecrypter');
await binding('grant', USER);
await binding('grant', VIEWER);
is(await granted(), asked.join(' '), 'both roles');
is(await granted({permissions: [asked[2]]}), asked[2], 'what is not asked about is not told');
is(await granted({permissions: [...asked, 'cloudkms.cryptoKeys.setIamPolicy']}), asked.join(' '), 'nor what is not granted');
is(await granted({resource: `${ring}/cryptoKeys/none`}), '', 'a key that does not exist grants nothing, and is no error');
await binding('grant', USER, ring);
is(await granted({resource: `${ring}/cryptoKeys/none`}), '', 'also to whoever may use the key ring');
await binding('revoke', USER, ring);
is((await failure(granted({permissions: ['cloudkms.*']}))).code, CODE.INVALID_ARGUMENT, 'a wildcard is refused');
is((await failure(google.getCryptoKey({name: `${ring}/cryptoKeys/none`}))).code, CODE.PERMISSION_DENIED,
  'a key that does not exist looks like one that is hidden');
await binding('grant', VIEWER, ring);
is((await failure(google.getCryptoKey({name: `${ring}/cryptoKeys/none`}))).code, CODE.NOT_FOUND,
  'not found, for who may see the key ring');

// --- ciphertexts ---
await control('create_key', {name: `${name}2`});
await binding('grant', USER, `${name}2`);
const wrong = await failure(decrypt(wrapped.ciphertext, wire.additionalAuthenticatedData('other')));
is(wrong.code, CODE.INVALID_ARGUMENT, 'other additional data');
const damaged = Buffer.from(wrapped.ciphertext);
damaged[50] ^= 1;
const corrupt = await failure(decrypt(damaged));
is(corrupt.code, CODE.INVALID_ARGUMENT, 'a damaged ciphertext');
ok(/ciphertext is invalid/.test(corrupt.message), 'and its words', corrupt.message);
const foreign = await failure(decrypt(wrapped.ciphertext, {name: `${name}2`}));
is(foreign.code, CODE.INVALID_ARGUMENT, 'the ciphertext of another key');
ok(/refers to the correct CryptoKey/.test(foreign.message), 'and its words', foreign.message);

// --- states, changed by the owner through the client too ---
const version = `${name}/cryptoKeyVersions/1`;
const update = state =>
  google.updateCryptoKeyVersion({cryptoKeyVersion: {name: version, state}, updateMask: {paths: ['state']}});
is((await failure(update('DISABLED'))).code, CODE.PERMISSION_DENIED, 'changing a state needs a role');
await binding('grant', 'roles/cloudkms.admin');
is((await update('DISABLED'))[0].state, 'DISABLED', 'updateCryptoKeyVersion');
const disabled = await failure(decrypt(wrapped.ciphertext));
is(disabled.code, CODE.FAILED_PRECONDITION, 'disabled');
ok(/current state is: DISABLED/.test(disabled.message), 'and its words', disabled.message);
is(disabled.statusDetails?.find(detail => detail.violations)?.violations[0].type, 'KEY_DISABLED', 'with its detail');
await update('ENABLED');
is((await decrypt(wrapped.ciphertext))[0].plaintext.toString(), 'a data key', 'enabled again');
const [scheduled] = await google.destroyCryptoKeyVersion({name: version});
is(scheduled.state, 'DESTROY_SCHEDULED', 'destroyCryptoKeyVersion');
ok(Number(scheduled.destroyTime.seconds) > Date.now() / 1000, 'and when', scheduled.destroyTime);
const doomed = await failure(decrypt(wrapped.ciphertext));
is(doomed.code, CODE.FAILED_PRECONDITION, 'scheduled for destruction');
ok(/current state is: DESTROY_SCHEDULED/.test(doomed.message), 'and its words', doomed.message);
is((await google.restoreCryptoKeyVersion({name: version}))[0].state, 'DISABLED', 'restoreCryptoKeyVersion');
await google.createCryptoKeyVersion({parent: name});
await google.updateCryptoKeyPrimaryVersion({name, cryptoKeyVersionId: '2'});
await update('ENABLED');
is((await decrypt(wrapped.ciphertext))[0].usedPrimary, false, 'after rotation an old version still decrypts');
await control('set_state', {name, state: 'DESTROYED', version: 1});
const gone = await failure(decrypt(wrapped.ciphertext));
is(gone.code, CODE.FAILED_PRECONDITION, 'destroyed');
ok(/current state is: DESTROYED/.test(gone.message), 'and its words', gone.message);

// --- trouble on the way: the client retries what it would retry of the service ---
await control('fault', {kind: 'encrypt', error: 'unavailable'});
is((await google.encrypt(request))[0].name, `${name}/cryptoKeyVersions/2`, 'the client retries 503');
await control('fault', {kind: 'encrypt', error: 'service_disabled'});
is((await failure(google.encrypt(request))).reason, 'SERVICE_DISABLED', 'the API is not enabled');

// --- other credentials ---
const bearer = getClient => client(server.endpoint, {authClient: getClient});
const stranger = await control('create_account', {email: 'x@acme.iam.gserviceaccount.com', project: 'acme',
  path: `${server.credentials_file}.other`});
is((await failure(client(server.endpoint, {keyFilename: stranger}).encrypt(request))).code, CODE.PERMISSION_DENIED,
  'another account has no rights here');
const {private_key: secret} = JSON.parse(fs.readFileSync(stranger));
const {client_email: email, private_key: own} = JSON.parse(fs.readFileSync(server.credentials_file));
const forged = bearer(new JWT({email, key: secret, scopes: SCOPE}));
forged.auth.useJWTAccessWithScope = true;

// the library knows one token endpoint only: lead its requests to ours, which takes its audience for once
await control('set', {token_audiences: ['https://www.googleapis.com/oauth2/v4/token']});
const there = {request: options => fetch(server.token_uri, {method: 'POST', body: new URLSearchParams(options.data)}).then(async answer => {
  const data = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(data.error), {response: {data}});
  return {data};
})};
const grant = key => new JWT({email, key, scopes: [SCOPE], transporter: there}).authorize();
ok((await grant(own)).access_token?.length > 100, 'an access token from the token endpoint');
ok(/invalid_grant: Invalid JWT Signature/.test((await failure(grant(secret))).message), 'none for a forged signature');

process.env.GCE_METADATA_HOST = server.metadata_host;
const machine = bearer(new Compute({scopes: [SCOPE]}));
is((await machine.encrypt(request))[0].name, `${name}/cryptoKeyVersions/2`, 'a token from the metadata server');
done();
