// Decrypts what only this page can read: a key pair that never leaves the page, for one secret.

export interface KeyPair {
  /** SubjectPublicKeyInfo, in base64. */
  publicKey: string;
  privateKey: CryptoKey;
}

const RSA_OAEP = {
  name: "RSA-OAEP",
  modulusLength: 3072,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: "SHA-256",
};

export async function newKeyPair(): Promise<KeyPair> {
  const keys = await crypto.subtle.generateKey(RSA_OAEP, false, ["encrypt", "decrypt"]);
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey));
  return { publicKey: btoa(String.fromCharCode(...spki)), privateKey: keys.privateKey };
}

export async function decrypted({ privateKey }: KeyPair, ciphertext: string): Promise<string> {
  const bytes = Uint8Array.from(atob(ciphertext), (char) => char.charCodeAt(0));
  const plain = await crypto.subtle.decrypt({ name: "RSA-OAEP" }, privateKey, bytes);
  return new TextDecoder().decode(plain);
}
