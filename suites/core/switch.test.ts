/**
 * Goal: a switch follows the right host, gives each client every byte once and in order, and lets go of nothing that a machine has not taken.
 * Method: scenarios of events with the effects that each must have, as lines of text; two hosts of one VM and clients as numbers.
 */
import t from "tap";
import { play } from "./switch-script.ts";

/** Host a runs boot `1x` under generation `2g`. */
const RUNNING = `
  a up
  b up
  a announces 2a 1c
  7 connects
`;

const SCENARIOS: Readonly<Record<string, string>> = {
  "a client is refused until somebody announces the VM": `
    a up
    7 connects
    - 7 reset
    a announces 2a 1c
    - note a accepted
    - a < positions
    8 connects
    - a < open 8 0
  `,
  "bytes go in by position and out once": `${RUNNING}
    ---
    7 says hello
    - a < data 7 1 hello
    7 says !
    - a < data 7 6 !
    a accept 1c 7 0
    a data 1c 7 1 world
    - 7 < world to 6
    a data 1c 7 1 world?
    - 7 < ? to 7
    7 took 6
    7 took 7
    turn
    - a < taken 7 7
    turn
  `,
  "both ends end and the session is forgotten": `${RUNNING}
    ---
    7 ends
    - a < fin 7 1
    a accept 1c 7 0
    a racks 1c 7 2
    a fin 1c 7 1
    - 7 end to 2
    7 took 2
    turn
    - a < taken 7 2
    a announces 2a 1c
    - note a accepted
    - a < positions
  `,
  "a client that died is told to the host": `${RUNNING}
    ---
    7 says hello
    - a < data 7 1 hello
    7 dies
    - a < reset 7 6
    7 says late
    a data 1c 7 1 late
    - a < reset 7 0
    b data 1c 7 1 late
    a reset 1c 7 5
  `,
  "a higher generation wins and another boot resets the sessions": `${RUNNING}
    ---
    b announces 3b 2d
    - note b accepted
    - 7 reset
    - note 1 sessions reset
    - b < positions
    7 says late
    a announces 2a 1c
    - note a ignored
    - a < ignored
    8 connects
    - b < open 8 0
    a data 1c 7 1 late
  `,
  "a higher generation of the same boot keeps the sessions and sends again what is not freed": `${RUNNING}
    a accept 1c 7 0
    7 took 1
    7 says hello
    7 ends
    a racks 1c 7 3
    turn
    ---
    b announces 3b 1c
    - note b accepted
    - b < positions 7:1/3/7
    - b < data 7 3 llo
    - b < fin 7 6
    b racks 1c 7 7
    a data 1c 7 1 late
    - 7 < late to 5
    b data 1c 7 1 late
    b data 1c 7 5 r
    - 7 < r to 6
  `,
  "inside a generation the higher boot wins, then the higher term": `${RUNNING}
    ---
    b announces 2a 1c 2
    - note b accepted
    - b < positions 7:0/0/1
    - b < open 7 0
    a announces 2a 1c 1
    - note a ignored
    - a < ignored
    a announces 2a 2d 1
    - note a accepted
    - 7 reset
    - note 1 sessions reset
    - a < positions
    a announces 2a 2d 1
    - note a accepted
    - a < positions
  `,
  "of two generations with one number the connected one is followed": `${RUNNING}
    ---
    b announces 2b 2d
    - note b ignored
    - b < ignored
    a down
    - note a closed
    b announces 2b 2d
    - note b accepted
    - 7 reset
    - note 1 sessions reset
    - b < positions
  `,
  "nobody announces in the name of another host": `${RUNNING}
    ---
    b announces 3b 2d 1 a
  `,
  "while nobody announces, clients wait and new ones are refused": `${RUNNING}
    ---
    b withdraws 1c
    a withdraws 1d
    a withdraws 1c
    - note a withdrawn
    8 connects
    - 8 reset
    7 says hello
    a announces 2a 1c
    - note a accepted
    - a < positions 7:0/0/6
    - a < open 7 0
    - a < data 7 1 hello
  `,
  "a client that died while nobody announced is told to the next runner of its boot": `${RUNNING}
    a down
    7 says hello
    7 dies
    ---
    a up
    a announces 2a 1c
    - note a accepted
    - a < positions 7:0/0/6
    - a < reset 7 6
    a announces 2a 1c
    - note a accepted
    - a < positions
  `,
  "a gap is dropped and answered once with positions": `${RUNNING}
    a accept 1c 7 0
    7 took 1
    turn
    ---
    a data 1c 7 3 llo
    a data 1c 7 6 !
    turn
    - a < positions 7:1/0/1
    a data 1c 7 1 hello
    - 7 < hello to 6
  `,
  "other bytes at a position are reported and not written": `${RUNNING}
    a accept 1c 7 0
    a data 1c 7 1 hello
    ---
    b data 1c 7 2 ello
    b data 1c 7 2 elli!
    - note conflict 7 at 2
    - 7 < ! to 7
    b data 1c 7 1 jello
  `,
  "data and acknowledgements of another boot are dropped": `${RUNNING}
    a accept 1c 7 0
    7 says hello
    ---
    a data 1d 7 1 hello
    a racks 1d 7 6
    a announces 2a 1c
    - note a accepted
    - a < positions 7:1/0/6
    - a < open 7 0
    - a < data 7 1 hello
  `,
  "a reset of the machine ends the client": `${RUNNING}
    a accept 1c 7 0
    a data 1c 7 1 hello
    ---
    a reset 1c 7 9
    turn
    - a < taken 7 1
    - a < positions 7:1/0/1
    a reset 1c 7 6
    - 7 reset
    turn
  `,
  "a flood is paused at the window and resumed when half of it is freed": `${RUNNING}
    ---
    7 floods 262144
    - a < data 7 1 65536 bytes
    - a < data 7 65537 65536 bytes
    - a < data 7 131073 65536 bytes
    - a < data 7 196609 65536 bytes
    7 floods 1
    - a < data 7 262145 \\0
    - 7 pause
    a racks 1c 7 65537
    a racks 1c 7 900000
    a racks 1c 7 131074
    - 7 resume
  `,
  "outputs are counted by boot, generation and host, and reported at their pace": `${RUNNING}
    tick
    wait 30
    ---
    a accept 1c 7 0 - 2a 500
    wait 1
    a data 1c 7 1 hello 2a 900
    - 7 < hello to 6
    b data 1d 9 1 late 3b 700
    tick
    - note outputs c a a 900 30000 31000 5
    - note outputs d b b 700 31000 31000 4
    wait 5
    a data 1c 7 6 ! 2a 800
    - 7 < ! to 7
    tick
    wait 15
    tick
    - note outputs c a a 900 30000 36000 6
    tick
    a data 1c 7 7 ! 2a 800
    - 7 < ! to 8
    report
    - note outputs c a a 900 30000 51000 7
  `,
};

for (const [title, script] of Object.entries(SCENARIOS)) {
  await t.test(title, async (t) => {
    const { found, wanted } = play(script);
    t.strictSame(found, wanted);
  });
}
