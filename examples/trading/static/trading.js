// The trading page: quotes come over a connection of its own, confirmations through the widget's.
'use strict'

const { boot, channel, sparks, say } = window.desk
const locale = boot.locale
const whole = new Intl.NumberFormat(locale)
const money = new Intl.NumberFormat(locale, { style: 'currency', currency: 'USD', currencyDisplay: 'narrowSymbol' })
const rows = new Map([...document.querySelectorAll('#quotes tr')].map((row) => [row.dataset.symbol, row]))
const POINTS = 48
const SAMPLE_MS = 2000
let sampled = 0

function showQuotes(quotes) {
  const now = Date.now()
  const sample = now - sampled >= SAMPLE_MS
  if (sample) sampled = now
  for (const quote of quotes) {
    const row = rows.get(quote.symbol)
    if (!row) continue
    const price = row.querySelector('[data-of=price]')
    const moved = Number(quote.price) - Number(price.textContent)
    if (moved) flash(row, moved > 0 ? 'up' : 'down')
    price.textContent = quote.price
    for (const name of ['bid', 'ask']) row.querySelector(`[data-of=${name}]`).textContent = quote[name]
    row.querySelector('[data-of=volume]').textContent = whole.format(quote.volume)
    const change = row.querySelector('[data-of=percent]')
    change.textContent = `${quote.percent > 0 ? '+' : ''}${quote.percent.toFixed(2)} %`
    change.classList.toggle('up', quote.percent > 0)
    change.classList.toggle('down', quote.percent < 0)
    if (sample) {
      sparks[quote.symbol] = [...(sparks[quote.symbol] || []), Number(quote.price)].slice(-POINTS)
      draw(row, sparks[quote.symbol])
    }
  }
}

function flash(row, way) {
  const price = row.querySelector('[data-of=price]')
  price.classList.remove('up', 'down')
  void price.offsetWidth // lets the animation begin anew
  price.classList.add(way)
}

function draw(row, points) {
  if (!points || points.length < 2) return
  const low = Math.min(...points)
  const span = Math.max(...points) - low || 1
  const step = 96 / (points.length - 1)
  const line = points.map((price, at) => `${(at * step).toFixed(1)},${(24 - (22 * (price - low)) / span).toFixed(1)}`)
  const course = row.querySelector('polyline')
  course.setAttribute('points', line.join(' '))
  course.setAttribute('class', points.at(-1) >= points[0] ? 'up' : 'down')
}

function showAccount(account) {
  for (const name of ['equity', 'exposure', 'cash']) {
    document.querySelector(`[data-account=${name}]`).textContent = money.format(Number(account[name]))
  }
  document.getElementById('ratio').textContent = `${(account.ratio * 100).toFixed(1)} %`
  document.getElementById('margin').value = account.ratio
  for (const [symbol, row] of rows) {
    const held = account.positions[symbol]
    row.querySelector('[data-of=held]').textContent = held ? whole.format(held) : ''
  }
  const list = document.getElementById('trades')
  fill(list, account.trades.map((trade) =>
    `${list.dataset[trade.side]} ${whole.format(trade.quantity)} ${trade.symbol} · ${money.format(Number(trade.price))}`))
  fill(document.getElementById('pager'), account.pager)
  fill(document.getElementById('letters'), account.letters)
}

function fill(list, texts) {
  const items = (texts.length ? texts : [list.dataset.empty]).map((text) => {
    const item = document.createElement('li')
    item.textContent = text
    return item
  })
  list.classList.toggle('empty', !texts.length)
  list.replaceChildren(...items)
}

async function deal(symbol, side) {
  const refusal = document.getElementById('refusal')
  const quantity = Number(document.getElementById('quantity').value)
  const answer = await fetch('/orders', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ symbol, side, quantity }),
  })
  const said = await answer.json()
  refusal.hidden = answer.ok
  if (answer.ok) showAccount(said)
  else refusal.textContent = say[`refused_${said.refused}`]
}

async function refresh() {
  const answer = await fetch('/account')
  if (answer.ok) showAccount(await answer.json())
}

document.getElementById('quotes').addEventListener('click', (event) => {
  const button = event.target.closest('button[data-side]')
  if (button) deal(button.closest('tr').dataset.symbol, button.dataset.side)
})
document.querySelector('.demo').addEventListener('click', (event) => {
  const button = event.target.closest('button[data-mood]')
  if (button) fetch(`/market/${button.dataset.mood}`, { method: 'POST', headers: { 'X-Desk': 'demo' } })
})

const status = document.getElementById('status')
function showStatus(live) {
  status.classList.toggle('live', live)
  status.querySelector('span').textContent = live ? status.dataset.live : status.dataset.offline
}

const socket = `${boot.host.replace('http', 'ws')}/connection/websocket`
const client = new centrifuge.Centrifuge(socket, {
  token: boot.token,
  getToken: () => fetch('/token').then((answer) => answer.text()),
})
client.on('connected', () => showStatus(true))
client.on('connecting', () => showStatus(false))
const board = client.newSubscription(channel, { delta: 'fossil' })
board.on('publication', (publication) => showQuotes(publication.data.quotes))
board.subscribe()
client.connect()

showAccount(window.desk.account)
for (const [symbol, row] of rows) draw(row, sparks[symbol])
setInterval(refresh, 1000)
