const field = document.querySelector('input[type=search]'), only = document.querySelector('#only'), count = document.querySelector('.count');
const rows = [...document.querySelectorAll('tbody tr')].map(row => [row, row.dataset.text.toLowerCase(), row.dataset.may === '1']);
const plural = (number, word) => number + ' ' + word + (number === 1 ? '' : 's');
function filter() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let left = 0;
  for (const [row, text, may] of rows) {
    row.hidden = !(words.every(word => text.includes(word)) && (may || !only.checked));
    left += row.hidden ? 0 : 1;
  }
  for (const part of document.querySelectorAll('section')) part.hidden = !part.querySelector('tbody tr:not([hidden])') && !part.dataset.keep;
  count.textContent = plural(left, 'row') + ' of ' + rows.length;
  history.replaceState(null, '', words.length ? '#' + encodeURIComponent(field.value) : location.pathname);
}
field.addEventListener('input', filter);
only.addEventListener('change', filter);
document.addEventListener('keydown', event => {
  if (event.key === '/' && document.activeElement !== field) { event.preventDefault(); field.focus(); field.select(); }
  if (event.key === 'Escape') { field.value = ''; only.checked = false; filter(); field.focus(); }
});
document.querySelector('form').addEventListener('submit', event => event.preventDefault());
document.querySelector('form').hidden = false;
try { field.value = decodeURIComponent(location.hash.slice(1)); } catch { field.value = ''; }
filter();
