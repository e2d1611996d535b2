// Google's client of Cloud KMS over REST, and TAP.
import kms from '@google-cloud/kms';

let count = 0;
let bad = 0;

export function ok(good, name, detail) {
  count += 1;
  bad += good ? 0 : 1;
  console.log(`${good ? 'ok' : 'not ok'} ${count} - ${name}`);
  if (!good && detail !== undefined) {
    console.log(`${JSON.stringify(detail, null, 1)}`.replace(/^/gm, '# '));
  }
}

export function is(got, expected, name) {
  ok(got === expected, name, {got, expected});
}

export function note(text) {
  console.log(`# ${text}`);
}

export function done() {
  console.log(`1..${count}`);
  process.exitCode = bad ? 1 : 0;
}

// endpoint: an URL, or undefined for the real service
export function client(endpoint, options) {
  const url = endpoint && new URL(endpoint);
  const place = url ? {apiEndpoint: url.hostname, port: Number(url.port)} : {};
  return new kms.KeyManagementServiceClient({fallback: true, ...place, ...options});
}

// The key, if it says that nobody else uses it; ends the program otherwise.
export async function disposableKey(owner, name) {
  const [key] = await owner.getCryptoKey({name});
  if (key.labels?.['keyring-test'] === 'yes') return key;
  console.error(`check-gcp disables the key for a while: give one that nothing else uses the label keyring-test=yes
  gcloud kms keys update ${name} --update-labels=keyring-test=yes`);
  process.exit(2);
}

// The error of a call, or {} if it succeeded. An error of the client has its gRPC code.
export async function failure(promise) {
  try {
    await promise;
    return {};
  } catch (error) {
    return error;
  }
}

// Over REST the client makes the codes from HTTP's: FAILED_PRECONDITION is a 400 and becomes 3 as well, and the
// message tells the two apart.
export const CODE = {INVALID_ARGUMENT: 3, FAILED_PRECONDITION: 3, NOT_FOUND: 5, PERMISSION_DENIED: 7,
  UNAUTHENTICATED: 16};
