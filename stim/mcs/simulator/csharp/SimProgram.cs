// What was downloaded for one output: runs of a level, and loops around runs.
using System;
using System.Collections.Generic;

namespace Mcs.Usb
{
    internal sealed class SimProgram
    {
        // what a run takes of the memory; the real figure is not known
        internal const uint BytesPerRun = 8;

        private readonly List<int> levels = new List<int>();
        private readonly List<long> ticks = new List<long>();

        internal uint Bytes
        {
            get { return BytesPerRun * (uint)levels.Count; }
        }

        internal int Count
        {
            get { return levels.Count; }
        }

        // A duration off the grid becomes the nearest one on it. From the assembly's
        // version 5 on, entries without duration begin (level 0) and end (level = how
        // many times) a block that is repeated; before, they are nothing.
        internal void Add(int level, ulong us)
        {
            long duration = (long)((us + 10) / 20);
#if !GENERATION_5
            if (us == 0) return;
#endif
            levels.Add(level);
            ticks.Add(us == 0 ? 0 : duration);
        }

        internal SimProgram Copy()
        {
            var copy = new SimProgram();
            copy.levels.AddRange(levels);
            copy.ticks.AddRange(ticks);
            return copy;
        }

        // Whether every loop that begins also ends.
        internal bool IsNested()
        {
            int depth = 0;
            for (int i = 0; i < levels.Count && depth >= 0; i++)
                if (ticks[i] == 0) depth += levels[i] == 0 ? 1 : -1;
            return depth == 0;
        }

        // Its runs, one after the other, as the device plays them.
        internal IEnumerable<KeyValuePair<int, long>> Play()
        {
            var starts = new List<int>();
            var counts = new List<int>();
            for (int i = 0; i < levels.Count; i++)
            {
                if (ticks[i] > 0)
                    yield return new KeyValuePair<int, long>(levels[i], ticks[i]);
                else if (levels[i] == 0)
                {
                    starts.Add(i);
                    counts.Add(0);
                }
                else if (++counts[counts.Count - 1] < levels[i])
                    i = starts[starts.Count - 1];
                else
                {
                    starts.RemoveAt(starts.Count - 1);
                    counts.RemoveAt(counts.Count - 1);
                }
            }
        }

        internal long TotalTicks()
        {
            var sums = new List<long>();
            long sum = 0;
            for (int i = 0; i < levels.Count; i++)
            {
                if (ticks[i] > 0)
                    sum += ticks[i];
                else if (levels[i] == 0)
                {
                    sums.Add(sum);
                    sum = 0;
                }
                else
                {
                    sum = sums[sums.Count - 1] + sum * levels[i];
                    sums.RemoveAt(sums.Count - 1);
                }
            }
            return sum;
        }
    }

    // A program on its way out; one tick is 20 us.
    internal sealed class SimCursor
    {
        private readonly SimProgram program;
        private readonly SimOutput output;
        private IEnumerator<KeyValuePair<int, long>> runs;
        private long nextTick;

        internal SimCursor(SimProgram program, SimOutput output)
        {
            this.program = program;
            this.output = output;
        }

        internal long TotalTicks
        {
            get { return program.TotalTicks(); }
        }

        internal bool IsProtecting
        {
            get { return (output.Level & 2) != 0; }
        }

        internal void Begin(long tick)
        {
            runs = program.Play().GetEnumerator();
            nextTick = tick;
        }

        internal void AdvanceTo(long tick, long startTime)
        {
            while (runs != null && nextTick <= tick)
            {
                bool isRun = runs.MoveNext();
                output.Set(startTime + nextTick * SimDevice.TickNs, isRun ? runs.Current.Key : 0);
                if (isRun) nextTick += runs.Current.Value;
                else runs = null;
            }
        }

        internal void Stop(long time)
        {
            runs = null;
            output.Set(time, 0);
        }
    }

    // What a trigger plays out of the memory, without the host.
    internal sealed class SimPlayer : SimRun
    {
        private readonly List<SimCursor> cursors, syncouts;
        private readonly uint repeats;
        private readonly long sweepTicks;
        private readonly SimRetrigger retrigger;
        private long startTime;

        internal uint Sweeps;

        internal SimPlayer(List<SimCursor> cursors, List<SimCursor> syncouts, uint repeats, SimRetrigger retrigger)
        {
            this.cursors = new List<SimCursor>(cursors);
            this.cursors.AddRange(syncouts);
            this.syncouts = syncouts;
            this.repeats = repeats;
            this.retrigger = retrigger;
            foreach (SimCursor cursor in this.cursors) sweepTicks = Math.Max(sweepTicks, cursor.TotalTicks);
        }

        internal override void Start(long now)
        {
            if (IsRunning && retrigger == SimRetrigger.Ignore) return;
            bool isEnough = IsRunning && retrigger == SimRetrigger.Stop;
            if (IsRunning) Stop(now);
            if (isEnough) return;
            startTime = now;
            Sweeps = 0;
            IsFinished = sweepTicks == 0;
            IsRunning = !IsFinished;
            foreach (SimCursor cursor in cursors) cursor.Begin(0);
        }

        internal override void AdvanceTo(long now)
        {
            long tick = (now - startTime) / SimDevice.TickNs;
            while (IsRunning)
            {
                long end = sweepTicks * (Sweeps + 1L);
                foreach (SimCursor cursor in cursors) cursor.AdvanceTo(Math.Min(tick, end - 1), startTime);
                if (tick < end) return;
                Sweeps++;
                if (Sweeps == repeats) Finish(startTime + end * SimDevice.TickNs);
                else foreach (SimCursor cursor in cursors) cursor.Begin(end);
            }
        }

        internal override void Stop(long now)
        {
            IsRunning = IsFinished = false;
            foreach (SimCursor cursor in cursors) cursor.Stop(now);
        }

        internal override bool IsProtected()
        {
            return IsRunning && syncouts.Exists(cursor => cursor.IsProtecting);
        }

        private void Finish(long time)
        {
            foreach (SimCursor cursor in cursors) cursor.Stop(time);
            IsRunning = false;
            IsFinished = true;
        }
    }

    internal enum SimRetrigger
    {
        Stop = 0,
        Restart = 1,
        Ignore = 2,
    }
}
