/**
 * Goal: a switch follows the right host by the right way, gives each client every byte once and in order, and lets go of nothing that a machine
 * has not taken; two switches with a trunk do the same for the clients of both sites.
 * Method: scenarios of events with the effects that each must have, as lines of text; two hosts of one VM and clients as numbers.
 */
import t from "tap";
import { play, playTwo } from "./switch-script.ts";

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
  "of two generations with one number the announced one is followed, then the one that was ignored": `${RUNNING}
    ---
    b announces 2b 2d
    - note b ignored
    - b < ignored
    a down
    - note a closed
    - note b accepted
    - 7 reset
    - note 1 sessions reset
    - b < positions
  `,
  "a lower generation that was ignored stays so when the followed host is gone": `${RUNNING}
    a down
    a up
    b announces 3b 2d
    ---
    a announces 2a 1c
    - note a ignored
    - a < ignored
    b withdraws 2d
    - note b withdrawn
    8 connects
    - 8 reset
  `,
  "a host that is connected and silent announces nothing, until it is heard again": `${RUNNING}
    ---
    ticks 100
    ticks 20
    - a < beat
    - b < beat
    b lives
    ticks 220
    - a < beat
    - b < beat
    - a < beat
    - b < beat
    ticks 20
    - note a silent
    8 connects
    - 8 reset
    7 says hello
    a lives
    - note a accepted
    - a < positions 7:0/0/6
    - a < open 7 0
    - a < data 7 1 hello
  `,
  "a switch that did not run accuses nobody": `${RUNNING}
    ticks 340
    wait 60
    ---
    tick
    8 connects
    - a < open 8 0
    ticks 20
    - note a silent
    - a < beat
    - b < beat
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

/** Host a runs boot `1c` under generation `2a`, and both switches hear it. */
const BOTH = `
  trunk up
  s1 a up
  s2 a up
  s1 a announces 2a 1c
  s2 a announces 2a 1c
  s1 passes
  s2 passes
`;

/** Over the trunk; the clients of the other site are `7'`. */
const TWO_SITES: Readonly<Record<string, string>> = {
  "a switch tells what it hears itself and never what it was told": `
    trunk up
    s1 a up
    s1 a announces 2a 1c
    - s1 > heard a 2a 1c
    - s1 note a accepted 2a by lan
    - s1 a < positions r1
    s1 passes
    - s2 note a accepted 2a by trunk
    - s2 > to a positions r1
    trunk up
    - s1 > heard a 2a 1c
    - s2 note a closed
    s1 passes
    - s2 note a accepted 2a by trunk
    - s2 > to a positions r2
    s2 passes
    - s1 a < positions r2
  `,
  "a client is served over the trunk, byte by byte as at home": `
    trunk up
    s2 a up
    s2 a announces 2a 1c
    s2 passes
    s1 passes
    ---
    s1 7 connects
    - s1 > to a open 7 0
    s1 7 says hello
    - s1 > to a data 7 1 hello
    s1 passes
    - s2 a < open 7 0
    - s2 a < data 7 1 hello
    s2 a accept 1c 7' 0
    - s2 > from a accept 7 0
    s2 a racks 1c 7' 6
    - s2 > from a rack 7 6
    s2 a data 1c 7' 1 world
    - s2 > from a data 7 1
    s2 passes
    - s1 7 < world to 6
    s1 7 took 6
    s1 turn
    - s1 > to a taken 7 6
    s1 passes
    - s2 a < taken 7 6
  `,
  "the own link is used while it is there, else the trunk, with everything that is not freed": `${BOTH}
    s1 7 connects
    s1 a accept 1c 7 0
    s1 7 took 1
    s1 turn
    s1 7 says hello
    s1 a racks 1c 7 3
    ---
    s1 a down
    - s1 > unheard a
    - s1 note a by trunk
    - s1 > to a positions r2 7:1/3/6
    - s1 > to a data 7 3 llo
    s1 passes
    - s2 a < positions r2 7:1/3/6
    - s2 a < data 7 3 llo
    s1 a up
    s1 a announces 2a 1c
    - s1 > heard a 2a 1c
    - s1 note a accepted 2a by lan
    - s1 note a by lan
    - s1 a < positions r3 7:1/3/6
    - s1 a < data 7 3 llo
  `,
  "what comes by the old way and the new is written once": `${BOTH}
    s1 7 connects
    s1 a accept 1c 7 0
    s1 7 took 1
    s1 turn
    s2 a data 1c 7' 1 hello
    s1 a data 1c 7 1 hel
    ---
    s2 passes
    - s1 7 < lo to 6
    s1 a data 1c 7 4 lo!
    - s1 7 < ! to 7
    s2 a data 1c 7' 9 gap
    - s2 > from a data 7 9
    s2 passes
    s1 turn
  `,
  "a switch answers nothing about a session of the other one": `${BOTH}
    s1 7 connects
    s1 passes
    ---
    s2 a data 1c 7' 1 hello
    - s2 > from a data 7 1
    trunk down
    s2 a data 1c 7' 1 hello
    s1 a data 1c 9 0 -
    - s1 a < reset 9 0
  `,
  "both sites number their clients, and neither takes the other's": `${BOTH}
    ---
    s1 7 connects
    - s1 a < open 7 0
    s2 7 connects
    - s2 a < open 7 0
    s1 a accept 1c 7 0
    s2 a accept 1c 7 0
    s1 a data 1c 7 1 one
    - s1 7 < one to 4
    s2 a data 1c 7 1 two
    - s2 7 < two to 4
  `,
  "a host that died is believed by neither": `${BOTH}
    ---
    s1 a down
    - s1 > unheard a
    - s1 note a by trunk
    - s1 > to a positions r2
    s2 a down
    - s2 > unheard a
    - s2 note a by trunk
    - s2 > to a positions r2
    s1 passes
    - s2 note a closed
    s2 passes
    - s1 note a closed
    s1 7 connects
    - s1 7 reset
  `,
  "a host that stopped its VM is believed by neither, whichever way it said so": `${BOTH}
    ---
    s1 a withdraws 1c
    - s1 > unheard a
    - s1 note a withdrawn
    s1 passes
    s2 7 connects
    - s2 a < open 7 0
    s2 a withdraws 1c
    - s2 > unheard a
    - s2 note a withdrawn
  `,
  "the trunk's word ends with the trunk": `
    trunk up
    s2 a up
    s2 a announces 2a 1c
    s2 passes
    s1 b up
    s1 b announces 2b 2d
    s1 passes
    ---
    s1 7 connects
    - s1 > to a open 7 0
    trunk down
    - s1 note a closed
    - s1 note b accepted 2b by lan
    - s1 7 reset
    - s1 note 1 sessions reset
    - s1 b < positions r2
  `,
  "frames of an older trunk are not taken": `
    trunk up
    s2 a up
    s2 a announces 2a 1c
    s2 a withdraws 1c
    s2 a announces 2a 1c
    ---
    trunk up
    - s2 > heard a 2a 1c
    s2 passes
    - s1 note a accepted 2a by trunk
    - s1 > to a positions r1
  `,
  "a lan link that is connected and silent is left for the trunk, and taken again": `${BOTH}
    s1 7 connects
    ticks 100
    s1 passes
    s2 passes
    s1 passes
    s2 passes
    s2 a lives
    ticks 240
    ---
    s2 passes
    - s1 > beat-ok
    - s1 > beat-ok
    s1 passes
    - s2 > beat-ok
    - s2 > beat-ok
    s2 passes
    s2 a lives
    ticks 20
    - s1 > unheard a
    - s1 note a by trunk
    - s1 > to a positions r2 7:0/0/1
    - s1 > to a open 7 0
    s1 passes
    - s2 a < positions r2 7:0/0/1
    - s2 a < open 7 0
    s1 a lives
    - s1 > heard a 2a 1c
    - s1 note a accepted 2a by lan
    - s1 note a by lan
    - s1 a < positions r3 7:0/0/1
    - s1 a < open 7 0
  `,
  "a trunk that brings much and answers nothing is silent": `
    trunk up
    s2 a up
    s2 a announces 2a 1c
    s2 passes
    s1 passes
    ticks 340
    s2 a lives
    s2 passes
    ---
    s2 a announces 2a 1c
    - s2 > heard a 2a 1c
    - s2 note a accepted 2a by lan
    - s2 a < positions r2
    s2 passes
    - s1 note a accepted 2a by trunk
    - s1 > to a positions r2
    ticks 20
    - s1 note a silent
    s1 7 connects
    - s1 7 reset
    s1 passes
    - s2 > beat-ok
    - s2 > beat-ok
    - s2 > beat-ok
    - s2 a < positions r2
    s2 passes
    - s1 note a accepted 2a by trunk
    - s1 > to a positions r3
  `,
  "in a split brain each site keeps its own host, also when the trunk is back, and turns when that host stops": `${BOTH}
    s1 b up
    s2 b up
    s1 7 connects
    s2 8 connects
    s1 b down
    s2 a down
    trunk down
    ---
    s1 a announces 3a 1c
    - s1 note a accepted 3a by lan
    - s1 a < positions r2 7:0/0/1
    - s1 a < open 7 0
    s2 b announces 3b 2d
    - s2 note b accepted 3b by lan
    - s2 8 reset
    - s2 note 1 sessions reset
    - s2 b < positions r3
    trunk up
    - s1 > heard a 3a 1c
    - s2 > heard b 3b 2d
    s1 passes
    - s2 note a ignored 3a by trunk
    s2 passes
    - s1 note b ignored 3b by trunk
    s2 9 connects
    - s2 b < open 9 0
    s2 a up
    s2 a announces 3a 1c
    - s2 > heard a 3a 1c
    - s2 note a ignored 3a by lan
    - s2 a < ignored
    s2 b withdraws 2d
    - s2 > unheard b
    - s2 note b withdrawn
    - s2 note a accepted 3a by lan
    - s2 9 reset
    - s2 note 1 sessions reset
    - s2 a < positions r4
  `,
};

for (const [title, script] of Object.entries(TWO_SITES)) {
  await t.test(title, async (t) => {
    const { found, wanted } = playTwo(script);
    t.strictSame(found, wanted);
  });
}

for (const [title, script] of Object.entries(SCENARIOS)) {
  await t.test(title, async (t) => {
    const { found, wanted } = play(script);
    t.strictSame(found, wanted);
  });
}
