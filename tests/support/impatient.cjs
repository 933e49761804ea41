// Loaded into the real CDK CLI, which would look every five seconds only how far a stack is.
const timers = require('timers');
const patient = timers.setTimeout;
function impatient(callback, milliseconds, ...more) {
  return patient(callback, milliseconds === 5000 ? 200 : milliseconds, ...more);
}
Object.defineProperty(impatient, require('util').promisify.custom, {
  value: (milliseconds, value) => new Promise((resolve) => impatient(resolve, milliseconds, value)),
});
timers.setTimeout = globalThis.setTimeout = impatient;
