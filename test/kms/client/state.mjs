// Usage: node state.mjs DISABLED|ENABLED, with the environment that check-gcp names
//
// What the owner of the key does to its primary version.
import {client, disposableKey} from './lib.mjs';

const owner = client(process.env.KEYRING_GCP_ENDPOINT, {keyFilename: process.env.KEYRING_GCP_OWNER_CREDENTIALS});
const key = await disposableKey(owner, process.env.KEYRING_GCP_KEY);
const cryptoKeyVersion = {name: key.primary.name, state: process.argv[2]};
await owner.updateCryptoKeyVersion({cryptoKeyVersion, updateMask: {paths: ['state']}});
