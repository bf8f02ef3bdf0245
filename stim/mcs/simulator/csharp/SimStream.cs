// What one trigger streams: the ring in the device, which drains by the device's clock.
using System;
using System.Collections.Generic;

namespace Mcs.Usb
{
    // First in, first out; takes memory only for what it has held.
    internal sealed class SimRing
    {
        internal readonly int Size;
        private short[] words = new short[64];
        private int first;

        internal SimRing(int size)
        {
            Size = size;
        }

        internal int Level { get; private set; }

        internal int Space
        {
            get { return Size - Level; }
        }

        internal int Put(short[] from)
        {
            int n = Math.Min(from.Length, Space);
            for (int i = 0; i < n; i++) Put(from[i]);
            return n;
        }

        internal void Put(short word)
        {
            if (Level == words.Length) Grow();
            words[(first + Level++) % words.Length] = word;
        }

        internal short Take()
        {
            short word = words[first];
            first = (first + 1) % words.Length;
            Level--;
            return word;
        }

        internal void Clear()
        {
            Level = 0;
        }

        private void Grow()
        {
            var larger = new short[2 * words.Length];
            int n = Level;
            for (int i = 0; i < n; i++) larger[i] = words[(first + i) % words.Length];
            words = larger;
            first = 0;
        }
    }

    // One channel or sync-out on its way: in the host, in the device, and out.
    internal sealed class SimLane
    {
        private const int MaxMarks = 1 << 20;

        private readonly SimDevice device;
        private readonly SimOutput output;
        private readonly bool isSyncout;
        private readonly List<long> markedSamples = new List<long>(), markedTimes = new List<long>();
        private int firstMark;
        private long posted, played;

        internal readonly SimRing Host;
        internal SimRing Device = new SimRing(0);
        internal List<long> PostTimes = new List<long>(), PlayTimes = new List<long>();

        internal SimLane(SimDevice device, SimOutput output, bool isSyncout, int hostSize)
        {
            this.device = device;
            this.output = output;
            this.isSyncout = isSyncout;
            Host = new SimRing(hostSize);
        }

        internal int Post(short[] words, long now)
        {
            if (words.Length > 0 && Host.Space > 0 && markedTimes.Count < MaxMarks)
            {
                markedSamples.Add(posted);
                markedTimes.Add(now);
            }
            int n = Host.Put(words);
            posted += n;
            return n;
        }

        internal void Play(long time)
        {
            short word = Device.Take();
            output.Set(time, isSyncout ? (ushort)word : device.LevelOfWord(output, word));
            if (firstMark < markedSamples.Count && markedSamples[firstMark] == played) Note(time);
            played++;
        }

        private void Note(long time)
        {
            if (PostTimes.Count < MaxMarks)
            {
                PostTimes.Add(markedTimes[firstMark]);
                PlayTimes.Add(time);
            }
            if (++firstMark < 1024) return;
            markedSamples.RemoveRange(0, firstMark);
            markedTimes.RemoveRange(0, firstMark);
            firstMark = 0;
        }

        // From the host into the device; a sync-out without data is at rest.
        internal void Pull(int n)
        {
            for (int i = 0; i < n; i++) Device.Put(Host.Level > 0 ? Host.Take() : (short)0);
        }

        internal void Silence(long time)
        {
            output.Set(time, 0);
        }

        internal bool IsProtecting()
        {
            return isSyncout && (output.Level & 2) != 0;
        }
    }

    internal sealed class SimStream : SimRun
    {
        private readonly SimDevice device;
        private readonly Dictionary<int, SimLane> channels = new Dictionary<int, SimLane>();
        private readonly List<SimLane> lanes = new List<SimLane>();
        private int capacity;
        private uint rate;
        private long startTime, nFrames;
        private bool isStarved;

        internal long Played, Zeros, Underruns;
        internal bool IsContinuous;

        internal SimStream(SimDevice device)
        {
            this.device = device;
        }

        internal void AddChannel(int channel, SimLane lane)
        {
            channels[channel] = lane;
            lanes.Add(lane);
        }

        internal void AddSyncout(SimLane lane)
        {
            lanes.Add(lane);
        }

        // Frames share the memory of their trigger.
        internal void SetCapacity(uint bytes)
        {
            capacity = (int)(bytes / 2 / Math.Max(1, channels.Count));
            foreach (SimLane lane in lanes) lane.Device = new SimRing(capacity);
        }

        internal int Buffered
        {
            get { return lanes.Count == 0 ? 0 : lanes[0].Device.Level; }
        }

        internal long Frames
        {
            get { return nFrames; }
        }

        internal uint StartedRate
        {
            get { return rate; }
        }

        internal override void Start(long now)
        {
            if (IsRunning) return;
            startTime = now;
            rate = device.Rate;
            nFrames = 0;
            isStarved = false;
            IsRunning = true;
        }

        internal override void AdvanceTo(long now)
        {
            long due = SimClock.FramesIn(now - startTime, rate) - nFrames;
            int n = (int)Math.Min(due, Buffered);
            for (int i = 0; i < n; i++)
            {
                long time = startTime + SimClock.TimeOf(nFrames + i, rate);
                foreach (SimLane lane in lanes) lane.Play(time);
            }
            nFrames += n;
            Played += n;
            if (n > 0) isStarved = false;
            if (n < due) Starve(due - n);
        }

        private void Starve(long n)
        {
            Silence(startTime + SimClock.TimeOf(nFrames, rate));
            if (!isStarved) Underruns++;
            isStarved = true;
            Zeros += n;
            if (IsContinuous) nFrames += n;
            else IsRunning = false;
        }

        // One transfer over USB: the device asks for as much as makes it half full.
        internal void Pull(long now)
        {
            if (IsRunning) AdvanceTo(now);
            int n = capacity / 2 - Buffered;
            foreach (SimLane lane in channels.Values) n = Math.Min(n, lane.Host.Level);
            foreach (SimLane lane in lanes) lane.Pull(n);
        }

        // Whether some ring of the host holds less than a part of what it can.
        internal bool IsBelow(uint percent)
        {
            foreach (SimLane lane in channels.Values)
                if (lane.Host.Level * 100L < percent * (long)lane.Host.Size) return true;
            return false;
        }

        internal override void Stop(long now)
        {
            IsRunning = false;
            Silence(now);
            if (SimBench.ClearsOnStop)
                foreach (SimLane lane in lanes) lane.Device.Clear();
        }

        internal override bool IsProtected()
        {
            return IsRunning && lanes.Exists(lane => lane.IsProtecting());
        }

        internal bool TakeLatencies(int channel, out long[] posted, out long[] played)
        {
            posted = played = null;
            SimLane lane;
            if (!channels.TryGetValue(channel, out lane)) return false;
            posted = lane.PostTimes.ToArray();
            played = lane.PlayTimes.ToArray();
            lane.PostTimes.Clear();
            lane.PlayTimes.Clear();
            return true;
        }

        private void Silence(long time)
        {
            foreach (SimLane lane in lanes) lane.Silence(time);
        }
    }
}
